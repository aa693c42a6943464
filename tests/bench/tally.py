"""`python -m tests.bench.tally [--orders N] [--scopes N]`: what counting costs the worker.

One worker after another goes through the same loaded topics, in turn without counts and with them
(RETURNWATCH_STATS). With them it also owns the incidents, so the cost of telling these is in it as
far as it falls into the catching up. CPU is of all threads of the worker; the least of several
turns is what the machine's other work disturbed least. `--only core` needs no broker: codec,
sequence and tracker over simulated records, without and with a tally.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence as Seq
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from schemas.records import RETURNED, SUBMITTED, Record
from streams.core import compiled
from streams.core.decisions import Place
from streams.core.rules import Policy, single_rule
from streams.core.sequence import Mark, Stretch
from streams.core.stats import Tally
from streams.core.tracker import Tracker
from streams.demo.histories import random_history
from streams.demo.simulator import SimRecord, records
from tests.bench.load import Load, load_topics
from tests.bench.throughput import CaughtUp, catch_up
from tests.bench.transactions import beside
from tests.broker.source import open_broker
from tests.broker.topics import new_names
from tests.broker.worker import WorkerProcess

BATCH_RECORDS: Final = 2_000
KINDS: Final = {"not counted": "false", "counted": "true"}
SHARE_MAX: Final = 0.1  # Of the worker's CPU time an event.


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=300_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--scopes", type=int, default=300, help="provider and merchant, 20 or more")
    parser.add_argument("--only", choices=["worker", "core"])
    arguments = parser.parse_args()
    if arguments.only in (None, "core"):
        core(min(arguments.orders, 40_000), arguments.repeat)
    if arguments.only in (None, "worker"):
        load = Load(arguments.orders, merchants=arguments.scopes)
        worker(load, partitions=arguments.partitions, repeat=arguments.repeat)


def worker(load: Load, *, partitions: int, repeat: int) -> None:
    """Interleaved, so that what else the machine does falls on both alike."""
    turns: dict[str, list[CaughtUp]] = {kind: [] for kind in KINDS}
    with open_broker() as broker, tempfile.TemporaryDirectory() as folder:
        loaded = new_names()
        load_topics(broker.bootstrap, loaded, load, partitions=partitions)
        for _ in range(repeat):
            for kind, flag in KINDS.items():
                names = beside(broker.bootstrap, loaded, partitions=partitions)
                env = names.env(
                    broker.bootstrap, RETURNWATCH_ACCEPT_CREATE_TIME="true", RETURNWATCH_STATS=flag
                )
                with WorkerProcess(env, Path(folder)) as process:
                    turns[kind].append(catch_up(process, load, partitions=partitions))
                    process.terminate()
                print(f"{kind}: {turns[kind][-1]}", flush=True)
    _print_cost(*turns.values())


def _print_cost(without: Seq[CaughtUp], counted: Seq[CaughtUp]) -> None:
    before, after = (sorted(turn.cpu_us for turn in turns) for turns in (without, counted))
    for name, of in (("least", min), ("median", statistics.median)):
        share = 1 - of(before) / of(after)
        print(
            f"{name}: {of(before):.2f} us CPU an event, counted {of(after):.2f}: counting is "
            f"{share:.1%} of the worker, at most {SHARE_MAX:.0%} is allowed"
        )
    slow, slower = (
        statistics.median(turn.events_per_s for turn in turns) for turns in (without, counted)
    )
    print(f"median: {slow:,.0f} events/s, counted {slower:,.0f}: {1 - slower / slow:.1%} fewer")


def core(orders: int, repeat: int) -> None:
    """CPU time a record, the best of several turns."""
    history = replace(random_history(3, faults=0), orders_per_s=100.0)
    log = list(islice(records(history), 2 * orders))
    turns = [(run(log, counts=False), run(log, counts=True)) for _ in range(repeat)]
    without, counted = (min(times) / len(log) * 1e6 for times in zip(*turns, strict=True))
    print(f"core: {without:.2f} us a record, counted {counted:.2f} us: {1 - without / counted:.0%}")


def run(log: list[SimRecord], *, counts: bool) -> float:
    """CPU seconds for all of the log."""
    sequence = compiled.sequence_of((Mark(0), Mark(0)))
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
            rows = [
                Record(start + number, record.at_ms, record.key, record.value, ())
                for number, record in enumerate(of_side)
            ]
            offsets[side] += len(rows)
            sequence.feed(side, Stretch(start, offsets[side], rows))
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
