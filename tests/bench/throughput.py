"""`python -m tests.bench.throughput [--orders N]`: what one worker does in a second.

Starts an Apache Kafka of its own beside the worker (or takes RETURNWATCH_TEST_BOOTSTRAP) and
prints events a second, CPU per event, bytes per open order, and the delay of verdicts. Figures
of one machine compare with each other; of two machines they do not.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.delay import delays_ms, settings
from tests.bench.load import Load, load_topics
from tests.broker.records import read_all
from tests.broker.source import open_broker
from tests.broker.topics import create_topics, new_names
from tests.broker.worker import WorkerProcess

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


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
        caught_up = catch_up(worker, load)
        worker.terminate()
    told = len(read_all(bootstrap, names.alerts))
    assert told == load.lost, f"{told} alerts, {load.lost} orders were lost"
    print(f"{caught_up}, {told:,} alerts")


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """How a worker went through a loaded log, from its start to its last commit."""

    records: int
    took_s: float
    cpu_s: float
    rss_mb: float

    @property
    def events_per_s(self) -> float:
        return self.records / self.took_s

    def __str__(self) -> str:
        return (
            f"{self.events_per_s:,.0f} events/s, {self.cpu_s / self.records * 1e6:.2f} us CPU an "
            f"event, {self.took_s:.1f} s to the last commit, {self.rss_mb:.0f} MB resident"
        )


def catch_up(worker: WorkerProcess, load: Load) -> CaughtUp:
    """Wait until a worker that was just started has worked a loaded log to its end."""
    while worker.page("/readyz")[0] == 0:
        time.sleep(0.01)
    pid = worker.process.pid
    began_s, began_cpu_s = time.monotonic(), cpu_s(pid)
    while not is_worked(worker, load):
        time.sleep(0.2)
    took_s = time.monotonic() - began_s
    return CaughtUp(load.records, took_s, cpu_s(pid) - began_cpu_s, rss_bytes(pid) / 2**20)


def is_worked(worker: WorkerProcess, load: Load) -> bool:
    """Everything is read, and stands in a checkpoint."""
    status, text = worker.page("/metrics")
    assert worker.returncode is None, worker.text()
    if status != 200:  # It has no time for us.
        return False
    read = sum_of(text, "returnwatch_records_read_total{")
    if read < load.records:
        return False
    decided = sum_of(text, "returnwatch_verdicts_total{")
    return sum_of(text, "returnwatch_consumer_lag_records{") == 0 and decided >= load.lost


def sum_of(text: str, name: str) -> float:
    lines = (line for line in text.splitlines() if line.startswith(name))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def rss_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def memory() -> None:
    """In a process of its own, so that nothing else is counted."""
    subprocess.run([sys.executable, "-m", "tests.bench.memory"], check=True)


def delay(bootstrap: str, folder: Path, *, per_s: int, seconds: int) -> None:
    names = new_names()
    create_topics(bootstrap, names.topics(4))
    with WorkerProcess(names.env(bootstrap, **settings()), folder) as worker:
        worker.wait_until_ready()
        found = delays_ms(bootstrap, names, per_s=per_s, seconds=seconds)
        worker.terminate()
    cuts = statistics.quantiles(found, n=100) if len(found) > 1 else found * 99
    print(
        f"at {per_s:,} records/s: {len(found)} alerts readable after p50 {cuts[49]:.0f} ms, "
        f"p99 {cuts[98]:.0f} ms, most {found[-1]:.0f} ms"
    )


if __name__ == "__main__":
    main()
