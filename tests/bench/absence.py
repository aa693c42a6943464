"""Catching up: a worker was away while traffic went on, and goes on; when is it at the edge again?

At the edge means: ready, and behind by no more records than come in within EDGE_S.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.throughput import LAG, READ, sum_of
from tests.bench.traffic import Sent, sending, sent_by, traffic_to
from tests.bench.usage import cpu_s
from tests.broker.topics import create_topics, new_names
from tests.broker.worker import WorkerProcess

EDGE_S: Final = 0.5
POLL_S: Final = 0.1
BACK_TIMEOUT_S: Final = 120.0
SETTLING_S: Final = 3  # Of traffic before the worker leaves.
MARGIN_S: Final = 20  # For the worker to come back while traffic still goes on.
PARTITIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Return:
    """How a worker came back: from its process's start to the edge, and from its first record."""

    missed: int  # Records that stood there when it had started.
    start_s: float
    edge_s: float
    cpu_s: float
    sent: Sent

    @property
    def events_per_s(self) -> float:
        """Of the records that were missed, once it reads; those that come in meanwhile are more."""
        return self.missed / (self.edge_s - self.start_s)


def came_back(bootstrap: str, folder: Path, *, per_s: int, away_s: int) -> Return:
    names = new_names()
    create_topics(bootstrap, names.topics(PARTITIONS))
    with WorkerProcess(names.env(bootstrap), folder) as worker:
        worker.wait_until_ready()
        seconds = SETTLING_S + away_s + MARGIN_S
        traffic = traffic_to(bootstrap, names, per_s=per_s, seconds=seconds)
        with sending(traffic, folder) as sender:
            _sleep_until(traffic.begin_ms / 1_000 + SETTLING_S)
            worker.terminate()
            left_s = time.time()
            _sleep_until(left_s + away_s)
            missed = int((time.time() - left_s) * per_s)
            began_s = time.monotonic()
            worker.start()
            start_s = _reads_again(worker, began_s)
            edge_s = _is_at_edge(worker, began_s, per_s=per_s)
            used_s = cpu_s(worker.process.pid)
            sent = sent_by(sender, timeout_s=seconds + BACK_TIMEOUT_S)
        worker.terminate()
    return Return(missed, start_s, edge_s, used_s, sent)


def _reads_again(worker: WorkerProcess, began_s: float) -> float:
    while sum_of(_metrics(worker, began_s), READ) == 0:
        time.sleep(0.02)
    return time.monotonic() - began_s


def _is_at_edge(worker: WorkerProcess, began_s: float, *, per_s: int) -> float:
    """The lag counts once the worker is ready: before, it does not know the ends of all topics."""
    while True:
        time.sleep(POLL_S)
        lag = sum_of(_metrics(worker, began_s), LAG)
        if lag <= per_s * EDGE_S and worker.is_ready():
            return time.monotonic() - began_s


def _metrics(worker: WorkerProcess, began_s: float) -> str:
    assert worker.returncode is None, worker.text()
    assert time.monotonic() - began_s < BACK_TIMEOUT_S, "the worker did not come to the edge"
    return worker.page("/metrics")[1]


def _sleep_until(at_s: float) -> None:
    time.sleep(max(at_s - time.time(), 0))
