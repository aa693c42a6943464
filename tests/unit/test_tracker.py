"""What the tracker does with a record that came in behind the frontier, however work is paced."""

from typing import Final

import pytest
from msgspec.json import encode

from schemas.alerts import Alert
from schemas.events import Return, Submission
from schemas.records import RETURNED, SUBMITTED, Record
from streams.core import compiled
from streams.core.decisions import Place
from streams.core.rules import Policy, single_rule
from streams.core.sequence import Mark, Stretch
from streams.core.tracker import Tracker

START_MS: Final = 1_767_225_600_000
WITHIN_MS: Final = 50
ORDER_IDS: Final = ("a", "b")


def submissions() -> Stretch:
    records = [
        Record(at, START_MS, key.encode(), encode(Submission(key, START_MS)), ())
        for at, key in enumerate(ORDER_IDS)
    ]
    return Stretch(0, len(records), records)


def return_at(offset: int, arrival_ms: int) -> Stretch:
    order_id = ORDER_IDS[offset]
    value = encode(Return(order_id, arrival_ms, "accepted"))
    record = Record(offset, arrival_ms, order_id.encode(), value, ())
    return Stretch(offset, offset + 1, [record])


@pytest.mark.parametrize("orders_a_step", [1, 10])
def test_a_record_behind_the_frontier_meets_every_timer_before_it_whatever_the_pacing(
    orders_a_step: int,
) -> None:
    tracker = Tracker(Place("s", "r", 0), Policy(single_rule(WITHIN_MS)))
    sequence = compiled.sequence_of((Mark(0), Mark(0)))
    sequence.feed(SUBMITTED, submissions())
    for side, end in ((SUBMITTED, 2), (RETURNED, 0)):
        sequence.prove(side, end, START_MS + WITHIN_MS + 1)
    told = tracker.apply(sequence.take(START_MS + 999))
    told += tracker.advance(sequence.frontier_ms, orders_a_step)

    for offset in (0, 1):
        sequence.feed(RETURNED, return_at(offset, START_MS + 40))
    for side in (SUBMITTED, RETURNED):
        sequence.prove(side, 2, START_MS + 60)
    told += tracker.apply(sequence.take(START_MS + 999))
    told += tracker.advance(sequence.frontier_ms, 10)

    kinds = sorted((it.order_id, it.type) for it in told if isinstance(it, Alert))
    assert kinds == [
        ("a", "returned_late"),
        ("a", "timed_out"),
        ("b", "returned_late"),
        ("b", "timed_out"),
    ]
