"""How long after the log or the grace allowed it a verdict is readable, at a given rate.

Open loop: every record is sent at its intended time, whatever the worker does. A verdict is
allowed when a later record stands in both topics of its partition, or when the grace is over.
"""

import json
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import TopicPartition

from schemas.times import milliseconds
from tests.bench.load import a_return, submission
from tests.broker.records import NewRecord, new_consumer, new_producer, put, read_all
from tests.broker.topics import Names

WITHIN_MS = 2_000
GRACE_MS = 1_000
RETURN_AFTER_S = 1.0
LOST_EVERY = 20


@dataclass(frozen=True, slots=True)
class Readable:
    """When a subscriber had an alert in its hands, by its deadline."""

    partition: int
    deadline_ms: int
    at_ms: float


def settings() -> dict[str, str]:
    return {
        "RETURNWATCH_RETURN_WITHIN_S": str(WITHIN_MS / 1_000),
        "RETURNWATCH_GRACE_S": str(GRACE_MS / 1_000),
    }


def delays_ms(bootstrap: str, names: Names, *, per_s: int, seconds: int) -> list[float]:
    """Send `per_s` records a second for so long, then wait for all alerts; sorted delays."""
    orders = per_s * seconds // 2
    subscriber = Subscriber(bootstrap, names.alerts, count=-(-orders // LOST_EVERY))
    subscriber.start()
    send_paced(bootstrap, names, orders, per_s=per_s)
    subscriber.join(60)
    arrivals = _arrivals(bootstrap, names)
    found = [it.at_ms - _allowed_ms(it, arrivals) for it in subscriber.seen]
    assert len(found) == subscriber.count, f"{len(found)} of {subscriber.count} alerts"
    return sorted(found)


def send_paced(bootstrap: str, names: Names, orders: int, *, per_s: int) -> None:
    producer = new_producer(bootstrap, **{"linger.ms": 0})
    begin_s = time.time() + 0.2
    for due_s, topic, record in _schedule(names, orders, per_s / 2, begin_s):
        wait_s = due_s - time.time()
        if wait_s > 0:
            producer.poll(0)
            time.sleep(max(due_s - time.time(), 0))
        put(producer, topic, record)
    producer.flush(30)


def _schedule(
    names: Names, orders: int, orders_per_s: float, begin_s: float
) -> Iterator[tuple[float, str, NewRecord]]:
    sends = []
    for number in range(orders):
        at_s = begin_s + number / orders_per_s
        sends.append((at_s, names.submitted, submission(number, int(at_s * 1_000))))
        if number % LOST_EVERY:
            back_s = at_s + RETURN_AFTER_S
            sends.append((back_s, names.returned, a_return(number, int(back_s * 1_000))))
    return iter(sorted(sends, key=lambda send: send[0]))


class Subscriber(threading.Thread):
    """Reads alerts as others would, committed ones only, and notes when."""

    def __init__(self, bootstrap: str, topic: str, *, count: int) -> None:
        super().__init__(daemon=True)
        self.count = count
        self.seen: list[Readable] = []
        self._consumer = new_consumer(bootstrap, "read_committed")
        partitions = self._consumer.list_topics(topic).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, number, 0) for number in partitions])

    def run(self) -> None:
        until_s = time.monotonic() + 300
        while len(self.seen) < self.count and time.monotonic() < until_s:
            message = self._consumer.poll(1)
            if message is None or message.error() is not None:
                continue
            at_ms = time.time() * 1_000
            value = json.loads(message.value() or b"")
            deadline_ms = value["return_within_ms"] + milliseconds(value["submitted_at"])
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
