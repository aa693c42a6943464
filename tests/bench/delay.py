"""How long after its deadline an alert is readable, at a fixed rate.

Open loop (tests/bench/traffic.py): deadlines count from when a record was meant to be sent, so a
sender or a broker that stalls is in the delays, and so is every alert: one that does not come at
all fails the measurement. Beside it stands the delay from when the log allowed the verdict, which
leaves out the wait for the next record: a verdict is allowed when a later record stands in both
topics of its partition, or when the grace is over.
"""

import statistics
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from confluent_kafka import TopicPartition

from schemas.times import milliseconds
from tests.bench.traffic import Sent, Traffic, sending, sent_by, traffic_to
from tests.broker.records import new_consumer, read_all
from tests.broker.topics import Names, create_topics, new_names
from tests.broker.worker import Spawn, WorkerProcess

WITHIN_MS: Final = 2_000
GRACE_MS: Final = 1_000
LOST_EVERY: Final = 20
LAST_ALERT_TIMEOUT_S: Final = 60.0  # After the last deadline and the grace.
SILENCE_MS: Final = 2_000  # Between the last record of silent topics and the first deadline.


@dataclass(frozen=True, slots=True)
class Readable:
    """When a subscriber had an alert in its hands, by its deadline."""

    partition: int
    deadline_ms: int
    at_ms: float


@dataclass(frozen=True, slots=True)
class Delays:
    """Sorted, in ms; `from_deadline` of silent topics is beyond the grace."""

    from_deadline: list[float]
    from_allowed: list[float]
    sent: Sent
    others: int  # Alerts beside those of lost orders: results that the sender brought too late.


@dataclass(frozen=True, slots=True)
class Pace:
    """What is sent: `per_s` records a second for so long over so many partitions. On silent
    topics nothing is written any more when the first deadline comes, and no result ever came."""

    per_s: int
    seconds: int
    partitions: int = 8
    is_silent: bool = False

    @property
    def within_ms(self) -> int:
        return self.seconds * 1_000 + SILENCE_MS if self.is_silent else WITHIN_MS


def measured(bootstrap: str, folder: Path, pace: Pace, *, spawn: Spawn | None = None) -> Delays:
    """A worker on topics of its own; `spawn` starts it in another way."""
    names = new_names()
    create_topics(bootstrap, names.topics(pace.partitions))
    env = names.env(
        bootstrap,
        RETURNWATCH_RETURN_WITHIN_S=str(pace.within_ms / 1_000),
        RETURNWATCH_GRACE_S=str(GRACE_MS / 1_000),
    )
    with WorkerProcess(env, folder, spawn=spawn) as worker:
        worker.wait_until_ready()
        lost_every = 1 if pace.is_silent else LOST_EVERY
        traffic = traffic_to(
            bootstrap, names, per_s=pace.per_s, seconds=pace.seconds, lost_every=lost_every
        )
        with sending(traffic, folder) as sender:
            subscriber = _alerts(bootstrap, names.alerts, traffic, pace)
            sent = sent_by(sender, timeout_s=LAST_ALERT_TIMEOUT_S)
        worker.terminate()
    arrivals = _arrivals(bootstrap, names)
    # Deadlines of busy topics count while they are busy: later ones wait for the grace.
    until_ms = None if pace.is_silent else traffic.end_ms
    counted = [it for it in subscriber.seen if until_ms is None or it.deadline_ms < until_ms]
    beyond_ms = GRACE_MS + 1 if pace.is_silent else 0
    return Delays(
        sorted(it.at_ms - it.deadline_ms - beyond_ms for it in counted),
        sorted(it.at_ms - _allowed_ms(it, arrivals) for it in counted),
        sent,
        subscriber.others,
    )


def percentiles(delays_ms: Sequence[float]) -> tuple[float, float]:
    """The 50th and the 99th."""
    cuts = statistics.quantiles(delays_ms, n=100, method="inclusive")
    return cuts[49], cuts[98]


def _alerts(bootstrap: str, topic: str, traffic: Traffic, pace: Pace) -> "Subscriber":
    """A subscriber that has all alerts of lost orders."""
    subscriber = Subscriber(bootstrap, topic, traffic.lost())
    subscriber.start()
    last_ms = traffic.end_ms + pace.within_ms + GRACE_MS
    subscriber.join(last_ms / 1_000 - time.time() + LAST_ALERT_TIMEOUT_S)
    subscriber.is_over.set()
    subscriber.join()
    left = len(subscriber.expected)
    assert not left, f"{left} alerts did not come in time, {len(subscriber.seen)} did"
    return subscriber


class Subscriber(threading.Thread):
    """Reads alerts as others would, committed ones only, and notes when."""

    def __init__(self, bootstrap: str, topic: str, expected: set[str]) -> None:
        super().__init__(daemon=True)
        self.expected = expected  # Order ids; each is taken out as its alert comes.
        self.others = 0
        self.seen: list[Readable] = []
        self.is_over = threading.Event()  # Set by who does not wait any longer.
        self._consumer = new_consumer(bootstrap, "read_committed")
        partitions = self._consumer.list_topics(topic).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, number, 0) for number in partitions])

    def run(self) -> None:
        while self.expected and not self.is_over.is_set():
            message = self._consumer.poll(0.5)
            if message is None or message.error() is not None:
                continue
            at_ms = time.time() * 1_000
            value = orjson.loads(message.value() or b"")
            if value["order_id"] not in self.expected:
                self.others += 1
                continue
            self.expected.discard(value["order_id"])
            deadline_ms = milliseconds(value["deadline"])
            self.seen.append(Readable(message.partition() or 0, deadline_ms, at_ms))
        self._consumer.close()


def _arrivals(bootstrap: str, names: Names) -> list[dict[int, list[int]]]:
    sides = []
    for topic in (names.submitted, names.returned):
        by_partition: dict[int, list[int]] = {}
        for record in read_all(bootstrap, topic):
            by_partition.setdefault(record.partition, []).append(record.timestamp_ms)
        sides.append(by_partition)
    return sides


def _allowed_ms(readable: Readable, arrivals: list[dict[int, list[int]]]) -> float:
    by_grace = readable.deadline_ms + 1 + GRACE_MS
    by_log = 0
    for side in arrivals:
        times = side.get(readable.partition, [])
        at = bisect_right(times, readable.deadline_ms)
        by_log = max(by_log, times[at] if at < len(times) else by_grace)
    return min(by_grace, by_log)
