"""One contestant over loaded topics, from its first record read to its last record committed.

The clock starts when the contestant shows that it has read something: a peer prints `reading`,
Returnwatch counts it on /metrics. So the start of an interpreter or a JVM is not in the time, but
a JVM's warming up is; the steady rate, which leaves the first third of the records out, is beside
it. The clock stops when all of both topics is committed, which everybody does each second or more
often; it is asked five times a second. Kafka Streams, Faust and aiokafka go by their group's
offsets. Flink and Returnwatch go by their checkpoints and commit the group's offsets later, for
show: Flink prints what stands in a checkpoint that is complete, and Returnwatch's is the lag on
/metrics, whose last records wait until the end of the log is proven to be one. Alerts are counted
afterwards, from their topic.
"""

import os
import re
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import orjson
from confluent_kafka import Consumer, TopicPartition

from tests.bench.contestants import Contestant, Run
from tests.bench.load import LOST_EVERY, Load, order_id
from tests.bench.throughput import READ, sum_of
from tests.bench.usage import cpu_s, resident_bytes
from tests.broker.process import ChildProcess, free_port
from tests.broker.records import read_all
from tests.broker.topics import Names, create_topics, delete_topics, topics_with_prefix

START_TIMEOUT_S: Final = 90.0
STALL_TIMEOUT_S: Final = 90.0
ALERTS_TIMEOUT_S: Final = 40.0
STOP_TIMEOUT_S: Final = 20.0
POLL_S: Final = 0.2
START_POLL_S: Final = 0.01
TOLD_CHARACTERS: Final = 8_000
STEADY_FROM: Final = 1 / 3
STEADY_MIN_S: Final = 5.0  # Below, commits each second are too coarse for a rate.
ROOT: Final = Path(__file__).parents[2]
INHERITED_NOT: Final = ("KAFKA_", "RETURNWATCH_")


class DidNotFinish(Exception):
    """The contestant ended or stood still; the message says which."""


@dataclass(frozen=True, slots=True)
class Course:
    """Loaded topics that several run over."""

    bootstrap: str
    submitted: str
    returned: str
    load: Load
    partitions: int
    ends: dict[tuple[str, int], int]


class Started(NamedTuple):
    process: ChildProcess
    web: str  # The address of its pages; empty for the peers, which have none.


@dataclass(frozen=True, slots=True)
class Sample:
    """How much was committed, when, and what it had cost until then."""

    records: int
    at_s: float
    cpu_s: float


@dataclass(slots=True)
class Result:
    name: str
    pinned: bool
    records: int
    took_s: float = 0.0
    cpu_s: float = 0.0
    steady_events_per_s: float = 0.0
    steady_cpu_us: float = 0.0
    resident_mb: float = 0.0
    alerts: dict[str, int] = field(default_factory=dict)  # expected, right, twice, wrong
    failed: str = ""

    @property
    def events_per_s(self) -> float:
        return self.records / self.took_s if self.took_s else 0.0

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.records * 1e6

    @property
    def is_right(self) -> bool:
        told = self.alerts
        return not told or (told["right"] == told["expected"] and not told["twice"] + told["wrong"])


def run_once(contestant: Contestant, course: Course, *, core: int | None) -> Result:
    """`core`: the one that the contestant is held to. Never raises for what a contestant does."""
    result = Result(contestant.name, core is not None, course.load.records)
    folder = Path(tempfile.mkdtemp(prefix="returnwatch-bench-"))
    run = Run(course.bootstrap, _fresh_names(course), course.partitions, folder)
    _create_outputs(contestant, run)
    started = _start(contestant, run, core)
    try:
        _wait_until_reading(started)
        with _committed(contestant, started, run, course) as committed:
            _measure(started.process, committed, result)
        if contestant.alerts:
            result.alerts = _alerts(run, course.load)
    except DidNotFinish as why:
        result.failed = str(why)
    finally:
        started.process.terminate(STOP_TIMEOUT_S)
        shutil.rmtree(folder, ignore_errors=True)
        delete_topics(run.bootstrap, topics_with_prefix(run.bootstrap, run.names.app_id))
    return result


def _fresh_names(course: Course) -> Names:
    app_id = f"bench-{uuid.uuid4().hex[:8]}"
    return Names(
        app_id=app_id,
        submitted=course.submitted,
        returned=course.returned,
        alerts=f"{app_id}-order-alerts",
        dead_letters=f"{app_id}-order-dead-letters",
        changelog=f"{app_id}-changelog",
    )


def _create_outputs(contestant: Contestant, run: Run) -> None:
    """Faust and Kafka Streams make their changelogs themselves."""
    topics = run.names.topics(run.partitions)
    wanted = [run.names.alerts]
    if contestant.settings is not None:
        wanted += [run.names.dead_letters, run.names.changelog]
        wanted += [run.names.stats, run.names.incidents]
        wanted += [run.names.silences, run.names.incidents_changelog]
    create_topics(run.bootstrap, {name: topics[name] for name in wanted})


def _start(contestant: Contestant, run: Run, core: int | None) -> Started:
    web, env = "", {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
    if contestant.settings is not None:
        port = str(free_port())
        web = f"http://127.0.0.1:{port}"
        env |= run.names.env(run.bootstrap, RETURNWATCH_ACCEPT_CREATE_TIME="true")
        env |= {"RETURNWATCH_WEB_PORT": port, **contestant.settings}
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    inherited = {name: at for name, at in os.environ.items() if not name.startswith(INHERITED_NOT)}
    process = ChildProcess(
        [*pinned, *contestant.command(run)],
        run.folder / "output.log",
        env=inherited | env,
        cwd=run.folder,
    )
    return Started(process, web)


def _wait_until_reading(started: Started) -> None:
    process, web = started
    until = time.monotonic() + START_TIMEOUT_S
    while not (_has_read(web) if web else "reading" in process.text().splitlines()):
        _check_alive(process)
        if time.monotonic() > until:
            raise DidNotFinish(f"had read nothing after {START_TIMEOUT_S:.0f} s")
        time.sleep(START_POLL_S)


def _has_read(web: str) -> bool:
    try:
        return sum_of(_metrics(web), READ) > 0
    except OSError:
        return False


def _metrics(web: str) -> str:
    with urllib.request.urlopen(f"{web}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def _check_alive(process: ChildProcess) -> None:
    if process.returncode is not None:
        print(process.text()[:TOLD_CHARACTERS], file=sys.stderr)  # The first error is the cause.
        raise DidNotFinish(f"ended with {process.returncode}")


def _measure(process: ChildProcess, committed: Callable[[], int], result: Result) -> None:
    began_s, began_cpu_s = time.monotonic(), cpu_s(process.pid)
    samples = [Sample(0, 0.0, 0.0)]
    while samples[-1].records < result.records:
        time.sleep(POLL_S)
        _check_alive(process)
        used_s = cpu_s(process.pid) - began_cpu_s
        sample = Sample(committed(), time.monotonic() - began_s, used_s)
        if sample.records > samples[-1].records:
            samples.append(sample)
        elif sample.at_s - samples[-1].at_s > STALL_TIMEOUT_S:
            raise DidNotFinish(f"stood still at {sample.records:,} committed records")
    last = samples[-1]
    result.took_s, result.cpu_s = last.at_s, last.cpu_s
    result.resident_mb = resident_bytes(process.pid) / 2**20
    begin = next(at for at in samples if at.records >= STEADY_FROM * last.records)
    if last.at_s - begin.at_s >= STEADY_MIN_S:
        records = last.records - begin.records
        result.steady_events_per_s = records / (last.at_s - begin.at_s)
        result.steady_cpu_us = (last.cpu_s - begin.cpu_s) / records * 1e6


@contextmanager
def _committed(
    contestant: Contestant, started: Started, run: Run, course: Course
) -> Iterator[Callable[[], int]]:
    """A function that says how many records of both topics are committed."""
    if contestant.settings is not None:
        yield lambda: _in_checkpoints(_metrics(started.web), course.load.records)
    elif contestant.prints_committed:
        yield lambda: last_told(started.process.text())
    else:
        with _group_offsets(run, course) as committed:
            yield committed


@contextmanager
def _group_offsets(run: Run, course: Course) -> Iterator[Callable[[], int]]:
    asked = [TopicPartition(topic, partition) for topic, partition in course.ends]
    consumer = Consumer(
        {"bootstrap.servers": run.bootstrap, "group.id": run.names.app_id, "log_level": 0}
    )
    try:
        yield lambda: sum(max(at.offset, 0) for at in consumer.committed(asked, timeout=10))
    finally:
        consumer.close()


def last_told(text: str) -> int:
    """The newest of the lines `committed N`."""
    told = re.findall(r"^committed (\d+)\n", text, re.MULTILINE)
    return int(told[-1]) if told else 0


def _in_checkpoints(metrics: str, records: int) -> int:
    """Before the topics' ends are known the lag is too small, so what was read bounds it."""
    lag = sum_of(metrics, "returnwatch_consumer_lag_records{")
    return int(min(sum_of(metrics, READ), records - lag))


def _alerts(run: Run, load: Load) -> dict[str, int]:
    """Waits for the last ones: on a log that has ended, the wall clock brings them."""
    expected = {order_id(number) for number in range(0, load.orders, LOST_EVERY)}
    until = time.monotonic() + ALERTS_TIMEOUT_S
    while True:
        values = [record.value or b"" for record in read_all(run.bootstrap, run.names.alerts)]
        told = [orjson.loads(value)["order_id"] for value in values]
        if expected <= set(told) or time.monotonic() > until:
            break
        time.sleep(1)
    right = expected & set(told)
    return {
        "expected": len(expected),
        "right": len(right),
        "twice": len(told) - len(set(told)),
        "wrong": len(set(told) - expected),
    }
