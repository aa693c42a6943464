"""`python -m tests.bench.tally [--orders N] [--repeat N]`: what counting costs the core.

Codec, sequence and tracker over simulated records in batches, without and with a tally; CPU time a
record, the best of several turns. The worker spends as much again on reading and writing, so of
its throughput the share is about half.
"""

import argparse
import time
from dataclasses import replace
from itertools import islice

from schemas.records import RETURNED, SUBMITTED, Record
from streams.core.decisions import Place
from streams.core.rules import Policy, single_rule
from streams.core.sequence import Mark, Sequence, Stretch
from streams.core.stats import Tally
from streams.core.tracker import Tracker
from streams.demo.histories import random_history
from streams.demo.simulator import SimRecord, records
from tests.bench.shortcut import read

BATCH_RECORDS = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=40_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--rate", type=float, default=100.0, help="orders a second of the log")
    arguments = parser.parse_args()
    log = list(
        islice(
            records(replace(random_history(3, faults=0), orders_per_s=arguments.rate)),
            2 * arguments.orders,
        )
    )
    turns = [(run(log, counts=False), run(log, counts=True)) for _ in range(arguments.repeat)]
    without, with_tally = (min(times) / len(log) * 1e6 for times in zip(*turns, strict=True))
    share = (with_tally - without) / with_tally
    print(f"{without:.2f} us a record, counted {with_tally:.2f} us: {share:.0%} of it")


def run(log: list[SimRecord], *, counts: bool) -> float:
    """CPU seconds for all of the log."""
    sequence = Sequence((Mark(0), Mark(0)))
    tracker = Tracker(Place("s", "r", 0), Policy(single_rule(10_000)))
    tally = Tally(0)
    if counts:
        tracker.notes = tally.notes
    offsets = [0, 0]
    began_s = time.process_time()
    for at in range(0, len(log), BATCH_RECORDS):
        batch = log[at : at + BATCH_RECORDS]
        for side in (SUBMITTED, RETURNED):
            of_side = [record for record in batch if record.side == side]
            start = offsets[side]
            events = [read(record, start + number) for number, record in enumerate(of_side)]
            rows = [
                Record(start + number, record.at_ms, record.key, record.value, ())
                for number, record in enumerate(of_side)
            ]
            offsets[side] += len(rows)
            sequence.feed(side, Stretch(start, offsets[side], rows, events))
            sequence.prove(side, offsets[side], batch[-1].at_ms)
        tracker.apply(sequence.take(batch[-1].at_ms))
        tracker.advance(sequence.frontier_ms, 1_000)
        tracker.book.take_changes()
        if counts:
            tally.count()
            tally.pass_to(sequence.frontier_ms)
            tally.take()
    return time.process_time() - began_s


if __name__ == "__main__":
    main()
