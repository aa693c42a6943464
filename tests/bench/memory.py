"""`python -m tests.bench.memory`: bytes an open order and a remembered closed one take."""

import tracemalloc

from schemas.codec import read_return, read_submission
from schemas.records import RETURNED, SUBMITTED, Record
from streams.core.decisions import Place
from streams.core.rules import Policy, single_rule
from streams.core.sequence import Mark, Sequence, Stretch
from streams.core.tracker import Tracker
from tests.bench.load import a_return, submission
from tests.broker.records import NewRecord

ORDERS = 200_000
NOW_MS = 1_800_000_000_000


def main() -> None:
    policy = Policy(single_rule(30_000))
    tracker = Tracker(Place("order-submitted", "order-returned", 0), policy)
    sequence = Sequence((Mark(0), Mark(0)))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for side, make, read in (
        (SUBMITTED, submission, read_submission),
        (RETURNED, a_return, read_return),
    ):
        for first in range(0, ORDERS, 5_000):
            records = [record_of(n, make(n, NOW_MS)) for n in range(first, first + 5_000)]
            events = [read(record) for record in records]
            sequence.feed(side, Stretch(first, first + 5_000, records, events))
            at_ms = NOW_MS + 1 + side
            sequence.prove(SUBMITTED, 0, at_ms)
            sequence.prove(RETURNED, 0, at_ms)
            tracker.apply(sequence.take(at_ms))
            tracker.book.take_changes()
        del records, events
        now = tracemalloc.get_traced_memory()[0]
        what = "an open order" if side == SUBMITTED else "a remembered closed order"
        print(f"{(now - before) / ORDERS:.0f} bytes {what}, {ORDERS:,} of them, one partition")


def record_of(offset: int, record: NewRecord) -> Record:
    return Record(offset, NOW_MS, record.key, record.value, ())


if __name__ == "__main__":
    main()
