"""`python -m tests.bench.restart [--orders 100000]`: how soon a worker is ready again.

So many orders are open, the worker is stopped and started; the time runs from the start of the
process to `/readyz`. The restore itself is from the assignment to the last partition taken over,
by the times in the worker's log: fencing, reading, building the index and checking are in it.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tests.bench.load import fill, submission
from tests.bench.throughput import LAG, sum_of
from tests.bench.usage import cpu_s, resident_bytes
from tests.broker.records import NewRecord
from tests.broker.source import open_broker
from tests.broker.topics import Names, create_topics, new_names
from tests.broker.worker import WorkerProcess

WITHIN_S: Final = 86_400
READY_TIMEOUT_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class Restart:
    """How a worker came back: `restore_s` is of all partitions, `ready_s` from its start."""

    orders: int
    ready_s: float
    restore_s: float
    rss_mb: float
    cpu_s: float  # From the start to ready.

    @property
    def orders_per_s(self) -> float:
        return self.orders / self.restore_s

    def __str__(self) -> str:
        return (
            f"ready {self.ready_s:.2f} s after the start of the process with {self.orders:,} open "
            f"orders; all partitions were taken over in {self.restore_s:.2f} s "
            f"({self.orders_per_s:,.0f} orders/s), {self.rss_mb:.0f} MB resident"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with open_broker() as broker, tempfile.TemporaryDirectory() as folder:
        names = new_names()
        create_topics(broker.bootstrap, names.topics(arguments.partitions))
        with holding(broker.bootstrap, names, arguments.orders, folder=Path(folder)) as worker:
            for _ in range(arguments.repeat):
                worker.terminate()
                print(f"stopped: {restarted(worker, arguments.orders)}")
            worker.kill()
            after = restarted(worker, arguments.orders)
            print(f"killed, so its session has to end first: {after}")
            worker.terminate()


@contextmanager
def holding(bootstrap: str, names: Names, orders: int, *, folder: Path) -> Iterator[WorkerProcess]:
    """A worker with so many orders open, all of them in a checkpoint; the topics exist."""
    env = names.env(
        bootstrap,
        RETURNWATCH_RETURN_WITHIN_S=str(WITHIN_S),
        RETURNWATCH_CHECKPOINT_INTERVAL_S="0.5",
        RETURNWATCH_LOG_FORMAT="json",
    )
    with WorkerProcess(env, folder) as worker:
        worker.wait_until_ready()
        fill(bootstrap, names.submitted, _orders(orders))
        wait_until_worked(worker, orders)
        yield worker


def wait_until_worked(worker: WorkerProcess, orders: int) -> None:
    """Until so many orders are open and everything stands in a checkpoint."""
    is_worked = False
    while not is_worked:
        time.sleep(0.2)
        assert worker.returncode is None, worker.text()
        status, text = worker.page("/metrics")
        held = sum_of(text, "returnwatch_orders{")
        lag = sum_of(text, LAG)
        is_worked = status == 200 and held >= orders and lag == 0


def restarted(worker: WorkerProcess, orders: int) -> Restart:
    """Starts a worker that has ended; its log is in JSON."""
    told_before = len(worker.text())
    began_s = time.monotonic()
    worker.start()
    worker.wait_until_ready(READY_TIMEOUT_S)
    ready_s, used_s = time.monotonic() - began_s, cpu_s(worker.process.pid)
    assert worker.metric("returnwatch_orders", state="open") == orders
    restore_s = _restore_s(worker.text()[told_before:])
    pid = worker.process.pid
    return Restart(orders, ready_s, restore_s, resident_bytes(pid) / 2**20, used_s)


def _restore_s(told: str) -> float:
    """From the last assignment that brought partitions to the last one taken over."""
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    taken = [_at(line) for line in lines if line["event"] == "partition taken over"]
    given = [_at(it) for it in lines if it["event"] == "partitions assigned" and it["new"]]
    return (max(taken) - max(given)).total_seconds()


def _at(line: dict[str, str]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])


def _orders(count: int) -> Iterator[NewRecord]:
    now_ms = time.time_ns() // 1_000_000
    return (submission(number, now_ms) for number in range(count))


if __name__ == "__main__":
    main()
