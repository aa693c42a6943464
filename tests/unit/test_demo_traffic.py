"""The demo's traffic and its ground truth, held against the real core."""

import json
from collections import Counter

import pytest

from schemas.alerts import Alert
from schemas.codec import read_return, read_submission
from schemas.records import RETURNED, SUBMITTED, Record, Unreadable
from streams.core import compiled
from streams.core.decisions import Decision, Place
from streams.core.rules import Policy, single_rule
from streams.core.sequence import Mark, Stretch
from streams.core.tracker import Tracker
from streams.demo.traffic import (
    ANSWER_MAX_MS,
    BLOCK,
    BROKEN_PROVIDER,
    DEAD_LETTER,
    VERDICTS,
    Event,
    Fate,
    Plan,
)
from streams.demo.traffic import traffic as events_of
from streams.demo.truth import Truth, Verdict, compare

START_MS = 1_767_225_600_000
WITHIN_MS = 2_000
HOLD_MS = 3_000
READERS = (read_submission, read_return)
SEEDS = range(5)


def plan(seed: int = 1, *, seconds: int = 30) -> Plan:
    return Plan(seconds, 20, seed, return_within_ms=WITHIN_MS, hold_ms=HOLD_MS)


def traffic(seed: int = 1, *, seconds: int = 30) -> list[Event]:
    return list(events_of(plan(seed, seconds=seconds), START_MS))


def truth_of(events: list[Event]) -> Truth:
    truth = Truth()
    for event in events:
        truth.note(event)
    return truth


def records_of(events: list[Event], side: int) -> list[Record]:
    mine = [event for event in events if event.side == side]
    return [Record(n, it.due_ms, it.key, it.value, ()) for n, it in enumerate(mine)]


def decided(events: list[Event], until_ms: int) -> list[Decision]:
    """What the real core decides of these events, all of which arrive as they are due."""
    sequence = compiled.sequence_of((Mark(0), Mark(0)))
    policy = Policy(single_rule(WITHIN_MS), HOLD_MS, 60_000)
    tracker = Tracker(Place("order-submitted", "order-returned", 0), policy)
    for side in (SUBMITTED, RETURNED):
        records = records_of(events, side)
        sequence.feed(side, Stretch(0, len(records), records))
        sequence.prove(side, len(records), until_ms)
    return [*tracker.apply(sequence.take(until_ms)), *tracker.advance(until_ms, len(events))]


def verdict(decision: Decision) -> Verdict:
    if isinstance(decision, Alert):
        return decision.order_id, decision.type
    return (decision.unreadable.record.key or b"").decode(), DEAD_LETTER


def test_the_same_seed_makes_the_same_traffic_and_another_seed_another() -> None:
    assert traffic(7) == traffic(7)
    assert traffic(7) != traffic(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_events_come_as_they_become_due(seed: int) -> None:
    times_ms = [event.due_ms for event in traffic(seed)]

    assert times_ms == sorted(times_ms)
    assert times_ms[0] == START_MS


@pytest.mark.parametrize("seed", SEEDS)
def test_every_block_of_orders_has_the_same_share_of_each_fate(seed: int) -> None:
    truth = truth_of(traffic(seed))

    blocks = 30 * 20 // len(BLOCK)
    found = Counter(truth.orders.values())
    found[Fate.ANSWERED] += found.pop(Fate.CUT_OFF)
    assert found == {fate: share * blocks for fate, share in Counter(BLOCK).items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_in_the_outage_its_provider_answers_nothing_and_the_others_are_well(seed: int) -> None:
    out = {event.key for event in traffic(seed) if event.fate is Fate.CUT_OFF}

    submitted = [event for event in traffic(seed) if event.key in out]
    assert len(out) > 15
    assert {event.side for event in submitted} == {SUBMITTED}
    assert {json.loads(event.value)["provider"] for event in submitted} == {BROKEN_PROVIDER}


def test_a_short_run_has_no_outage() -> None:
    assert all(event.fate is not Fate.CUT_OFF for event in traffic(1, seconds=23))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_order_is_lost_so_that_an_alert_comes_soon(seed: int) -> None:
    first = traffic(seed, seconds=1)[0]

    assert (first.fate, first.tells) == (Fate.LOST, "timed_out")


@pytest.mark.parametrize("seed", SEEDS)
def test_each_order_has_to_be_told_as_its_fate_says(seed: int) -> None:
    truth = truth_of(traffic(seed))

    assert truth.verdicts == {
        (order_id, kind) for order_id, fate in truth.orders.items() for kind in VERDICTS[fate]
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_record_is_unreadable_where_it_is_to_be_a_dead_letter_and_nowhere_else(
    seed: int,
) -> None:
    for side in (SUBMITTED, RETURNED):
        mine = [event for event in traffic(seed) if event.side == side]
        for event, record in zip(mine, records_of(mine, side), strict=True):
            is_unreadable = isinstance(READERS[side](record), Unreadable)
            assert is_unreadable == (event.tells == DEAD_LETTER)


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_are_either_well_within_the_deadline_or_well_after_it(seed: int) -> None:
    events = traffic(seed)
    submitted_ms = {it.key: it.due_ms for it in events if it.side == SUBMITTED}
    waits_ms = [
        it.due_ms - submitted_ms[it.key]
        for it in events
        if it.side == RETURNED and it.tells in {None, "returned_late"}
        if it.key in submitted_ms
    ]

    assert not [wait for wait in waits_ms if ANSWER_MAX_MS < wait < WITHIN_MS + 500]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_real_core_decides_what_the_ground_truth_says_by_the_time_it_names(seed: int) -> None:
    events = traffic(seed)
    truth = truth_of(events)

    told = Counter(verdict(it) for it in decided(events, truth.settled_ms + 1))

    found = compare(truth, told)
    assert (found.missing, found.repeated, found.false) == ([], [], [])
    assert [row.right for row in found.rows] == [row.orders for row in found.rows]


def test_traffic_that_is_cut_off_has_only_the_verdicts_of_what_was_sent() -> None:
    events = traffic()
    late = next(event for event in events if event.fate is Fate.LATE)
    order_id = late.key.decode()

    truth = truth_of(events[: events.index(late) + 1])

    assert {kind for it, kind in truth.verdicts if it == order_id} == {"timed_out"}


def test_a_verdict_that_is_missing_repeated_or_false_is_named_and_its_order_not_right() -> None:
    truth = Truth(
        orders={"a": Fate.LOST, "b": Fate.LOST, "c": Fate.ANSWERED, "d": Fate.LOST},
        verdicts={("a", "timed_out"), ("b", "timed_out"), ("d", "timed_out")},
    )
    told = Counter({("b", "timed_out"): 2, ("c", "timed_out"): 1, ("d", "timed_out"): 1})

    found = compare(truth, told)

    assert found.missing == [("a", "timed_out")]
    assert found.repeated == [("b", "timed_out")]
    assert found.false == [("c", "timed_out")]
    right = {row.fate: (row.orders, row.right) for row in found.rows if row.orders}
    assert right == {Fate.LOST: (3, 1), Fate.ANSWERED: (1, 0)}
