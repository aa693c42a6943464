"""`python -m tests.bench.throughput [--orders N]`: what one worker does in a second.

Starts an Apache Kafka of its own beside the worker (or takes RETURNWATCH_TEST_BOOTSTRAP) and
prints events a second, CPU per event, bytes per open order, and the delay of verdicts. Figures
of one machine compare with each other; of two machines they do not.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.delay import Pace, measured, percentiles
from tests.bench.load import Load, load_topics
from tests.bench.usage import cpu_s, resident_bytes
from tests.broker.records import read_until
from tests.broker.source import open_broker
from tests.broker.topics import new_names
from tests.broker.worker import WorkerProcess

READ: Final = "returnwatch_records_read_total{"
LAG: Final = "returnwatch_consumer_lag_records{"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=20, help="of each delay measurement")
    parser.add_argument("--only", choices=["throughput", "memory", "delay"])
    arguments = parser.parse_args()
    with open_broker() as broker, tempfile.TemporaryDirectory() as folder:
        if arguments.only in (None, "throughput"):
            load = Load(arguments.orders)
            throughput(broker.bootstrap, load, Path(folder), partitions=arguments.partitions)
        if arguments.only in (None, "memory"):
            memory()
        if arguments.only in (None, "delay"):
            for rate in (2_000, 20):
                delay(broker.bootstrap, Path(folder), per_s=rate, seconds=arguments.seconds)


def throughput(bootstrap: str, load: Load, folder: Path, *, partitions: int) -> None:
    names = new_names()
    print(f"loading {load.records:,} records, {load.open_at_once:,} orders open at once")
    load_topics(bootstrap, names, load, partitions=partitions)
    env = names.env(bootstrap, RETURNWATCH_ACCEPT_CREATE_TIME="true")
    with WorkerProcess(env, folder) as worker:
        caught_up = catch_up(worker, load, partitions=partitions)
        told = len(read_until(bootstrap, names.alerts, load.lost))
        worker.terminate()
    assert told == load.lost, f"{told} alerts, {load.lost} orders were lost"
    print(f"{caught_up}, {told:,} alerts")


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """How a worker went through a loaded log, from its first record read to its last commit."""

    records: int
    took_s: float
    cpu_s: float
    rss_mb: float
    broker_cpu_s: float = 0.0  # Where the broker is ours.

    @property
    def events_per_s(self) -> float:
        return self.records / self.took_s

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.records * 1e6

    def __str__(self) -> str:
        return (
            f"{self.events_per_s:,.0f} events/s, {self.cpu_us:.2f} us CPU an event, "
            f"{self.took_s:.1f} s to the last commit, {self.rss_mb:.0f} MB resident"
        )


def catch_up(
    worker: WorkerProcess, load: Load, *, partitions: int, broker_pids: Sequence[int] = ()
) -> CaughtUp:
    """Wait until a worker that was just started has worked a loaded log to its end; CPU and
    memory are of all its processes."""
    while not has_read(worker):
        time.sleep(0.01)
    pid = worker.process.pid
    began_s, began_cpu_s = time.monotonic(), cpu_s(pid)
    broker_began_s = sum(map(cpu_s, broker_pids))
    while not is_worked(worker, partitions):
        time.sleep(0.2)
    return CaughtUp(
        load.records,
        time.monotonic() - began_s,
        cpu_s(pid) - began_cpu_s,
        resident_bytes(pid) / 2**20,
        sum(map(cpu_s, broker_pids)) - broker_began_s,
    )


def has_read(worker: WorkerProcess) -> bool:
    """Whether it has begun with the log."""
    assert worker.returncode is None, worker.text()
    return sum_of(worker.page("/metrics")[1], READ) > 0


def is_worked(worker: WorkerProcess, partitions: int) -> bool:
    """Everything of every partition stands in a checkpoint: each topic partition has a lag only
    while somebody works it."""
    assert worker.returncode is None, worker.text()
    text = worker.page("/metrics")[1]
    tended = sum(line.startswith(LAG) for line in text.splitlines())
    return tended == 2 * partitions and sum_of(text, LAG) == 0


def sum_of(text: str, name: str) -> float:
    lines = (line for line in text.splitlines() if line.startswith(name))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def memory() -> None:
    """In a process of its own, so that nothing else is counted."""
    subprocess.run([sys.executable, "-m", "tests.bench.memory"], check=True)


def delay(bootstrap: str, folder: Path, *, per_s: int, seconds: int) -> None:
    found = measured(bootstrap, folder, Pace(per_s, seconds, partitions=4)).from_allowed
    p50, p99 = percentiles(found)
    print(
        f"at {per_s:,} records/s: {len(found)} alerts readable after the log or the grace allowed "
        f"it, p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {found[-1]:.0f} ms"
    )


if __name__ == "__main__":
    main()
