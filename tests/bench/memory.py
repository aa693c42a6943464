"""`python -m tests.bench.memory`: bytes an open order and a remembered closed one take."""

import tracemalloc

from schemas.records import RETURNED, SUBMITTED, Record
from streams.core import compiled
from streams.core.closed import Closed, ClosedOrders, order_hash
from streams.core.decisions import Place
from streams.core.rules import Policy, single_rule
from streams.core.sequence import Mark, Stretch
from streams.core.tracker import Tracker
from tests.bench.load import WITHIN_MS, submission

ORDERS = 200_000
BATCH = 5_000
NOW_MS = 1_800_000_000_000


def main() -> None:
    for what, took in (("an open order", open_bytes()), ("a remembered one", closed_bytes())):
        print(f"{took:.1f} bytes {what} ({ORDERS:,} of them in one partition)")


def open_bytes() -> float:
    """Of an open order, all in: its packed form, its key, its deadline's place in the index."""
    tracker = Tracker(Place("order-submitted", "order-returned", 0), Policy(single_rule(WITHIN_MS)))
    sequence = compiled.sequence_of((Mark(0), Mark(0)))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    _submit(tracker, sequence)
    return _since(before)


def closed_bytes() -> float:
    """Of a closed order that is remembered."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    closed = ClosedOrders(remember_ms=600_000)
    for number in range(ORDERS):
        closed.add(order_hash(b"%d" % number), Closed(1, "accepted", NOW_MS))
    return _since(before)


def _since(before: int) -> float:
    took = (tracemalloc.get_traced_memory()[0] - before) / ORDERS
    tracemalloc.stop()
    return took


def _submit(tracker: Tracker, sequence: compiled.AnySequence) -> None:
    for first in range(0, ORDERS, BATCH):
        new = [submission(number, NOW_MS) for number in range(first, first + BATCH)]
        records = [
            Record(first + at, NOW_MS, record.key, record.value, ())
            for at, record in enumerate(new)
        ]
        sequence.feed(SUBMITTED, Stretch(first, first + BATCH, records))
        for proven in (SUBMITTED, RETURNED):
            sequence.prove(proven, 0, NOW_MS + 1)
        tracker.apply(sequence.take(NOW_MS + 1))
        tracker.book.take_changes()


if __name__ == "__main__":
    main()
