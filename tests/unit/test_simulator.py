"""Simulated histories: repeatable, in order, and counted by the shortcut as by the real core."""

from dataclasses import replace

import msgspec
import pytest

from schemas.incidents import CAUSES, Cause, Scope
from schemas.records import RETURNED, SUBMITTED, Record
from streams.core import compiled
from streams.core.decisions import Place
from streams.core.rules import Policy, single_rule
from streams.core.sequence import Mark, Stretch
from streams.core.stats import Tally
from streams.core.tracker import Tracker
from streams.demo.histories import START_MS, healthy_day, random_history
from streams.demo.misfortunes import Fault
from streams.demo.simulator import History, Party, orders, records
from tests.bench.shortcut import HOLD_MS, REMEMBER_MS, told

END_MS = START_MS + 2_000_000


def small(cause: Cause, variant: int, *, orders_per_s: float = 8.0) -> History:
    return History(
        seed=variant,
        start_ms=START_MS,
        seconds=90,
        orders_per_s=orders_per_s,
        providers=(Party("pg", 1, 300), Party("acme", 1, 200)),
        merchants=(Party("shop", 1), Party("club", 1)),
        kinds=(Party("card", 1),),
        lost_share=0.02,
        stray_share=0.02,
        faults=(Fault(cause, Scope("pg", None, None), 10, 15, 0.9, variant),),
    )


def really_counted(history: History) -> list[bytes]:
    """By codec, sequence, tracker and tally, all records in one go."""
    sequence = compiled.sequence_of((Mark(0), Mark(0)))
    policy = Policy(single_rule(history.return_within_ms), HOLD_MS, REMEMBER_MS)
    tracker = Tracker(Place("s", "r", 0), policy)
    tally = Tally(0)
    tracker.notes = tally.notes
    for side in (SUBMITTED, RETURNED):
        of_side = [record for record in records(history) if record.side == side]
        rows = [
            Record(offset, record.at_ms, record.key, record.value, ())
            for offset, record in enumerate(of_side)
        ]
        sequence.feed(side, Stretch(0, len(rows), rows))
        sequence.prove(side, len(rows), END_MS)
    tracker.apply(sequence.take(END_MS))
    tracker.advance(END_MS, 1_000_000)
    tally.count()
    tally.pass_to(END_MS)
    return [msgspec.json.encode(second) for record in tally.take()[0] for second in record.seconds]


def shortly_counted(history: History) -> list[bytes]:
    return [
        msgspec.json.encode(second)
        for written in told(history, history.seconds)
        for record in written.records
        for second in record.seconds
    ]


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("variant", [0, 1, 2, 3, 4])
def test_the_shortcut_counts_what_the_real_core_counts(cause: Cause, variant: int) -> None:
    history = small(cause, variant)

    short = shortly_counted(history)

    assert len(short) >= history.seconds - 3
    assert really_counted(history)[: len(short)] == short


def test_the_shortcut_forgets_orders_as_the_real_core_does() -> None:
    history = replace(small("network", 0), seconds=720, orders_per_s=1.0)

    short = shortly_counted(history)

    assert really_counted(history)[: len(short)] == short


def test_many_orders_a_second_come_as_copies_and_are_counted_alike() -> None:
    history = replace(small("network", 1, orders_per_s=500.0), seconds=3)

    assert any(order.copies > 1 for order in orders(history))
    short = shortly_counted(history)
    assert really_counted(history)[: len(short)] == short


def test_the_same_seed_gives_the_same_records_in_order_of_time() -> None:
    history = replace(random_history(5), seconds=20, orders_per_s=10.0)

    first = list(records(history))

    assert first == list(records(history))
    assert [record.at_ms for record in first] == sorted(record.at_ms for record in first)


def test_histories_have_labels_and_healthy_days_have_none() -> None:
    labels = [label for seed in range(60) for label in random_history(seed).labels()]

    assert {label["cause"] for label in labels} == set(CAUSES)
    assert healthy_day(3).labels() == []
