"""A great many orders due at once, while other traffic goes on.

They are submitted ahead, with deadlines that all fall into one second. From that second on the
worker's pages are asked each second: how much it reads of the other traffic, and how many alerts
it has written. Then the alerts are read back: in each partition the most overdue come first.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from confluent_kafka import KafkaError, TopicPartition

from schemas.times import milliseconds
from tests.bench.load import fill, order_id, submission
from tests.bench.restart import wait_until_worked
from tests.bench.throughput import READ, sum_of
from tests.bench.traffic import sending, traffic_to
from tests.broker.records import NewRecord, new_consumer
from tests.broker.topics import Names, create_topics, new_names
from tests.broker.worker import WorkerProcess

PARTITIONS: Final = 8
PER_S: Final = 2_000  # Of the traffic beside.
FIRST_NUMBER: Final = 50_000_000  # So that the traffic's orders are others.
SPREAD_MS: Final = 1_000
LOADED_A_S: Final = 15_000  # Orders written and worked, on a slow machine.
TOLD_A_S: Final = 5_000  # Alerts, on a slow machine.
LEAD_S: Final = 15
VERDICTS: Final = "returnwatch_verdicts_total{"
LISTEN_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Look:
    """What the worker's pages said."""

    at_s: float  # From the first deadline on.
    read: float
    told: float


@dataclass(frozen=True, slots=True)
class Flood:
    """`looks` are from the deadline to the last alert; `back_ms` is the furthest that an alert's
    deadline lies before one that was told earlier in its partition."""

    orders: int
    looks: list[Look]
    back_ms: int

    @property
    def alerts_per_s(self) -> float:
        return self.orders / self.looks[-1].at_s

    @property
    def read_per_s(self) -> float:
        first, last = self.looks[0], self.looks[-1]
        return (last.read - first.read) / (last.at_s - first.at_s)

    @property
    def slowest_read_per_s(self) -> float:
        """Between two looks."""
        pairs = zip(self.looks, self.looks[1:], strict=False)
        return min((two.read - one.read) / (two.at_s - one.at_s) for one, two in pairs)


def flooded(bootstrap: str, folder: Path, orders: int) -> Flood:
    names = new_names()
    create_topics(bootstrap, names.topics(PARTITIONS))
    env = names.env(bootstrap, RETURNWATCH_RETURN_WITHIN_S="86400")
    with WorkerProcess(env, folder) as worker:
        worker.wait_until_ready()
        due_s = time.time() + LEAD_S + orders / LOADED_A_S
        fill(bootstrap, names.submitted, _submissions(orders, int(due_s * 1_000)))
        wait_until_worked(worker, orders)
        assert time.time() < due_s, "the orders were due before all of them were open"
        seconds = int(due_s - time.time() + 5 + orders / TOLD_A_S)
        with sending(traffic_to(bootstrap, names, per_s=PER_S, seconds=seconds), folder):
            looks = list(_looks(worker, orders, due_s=due_s, limit_s=orders / TOLD_A_S + 30))
        worker.terminate()
    return Flood(orders, looks, _back_ms(bootstrap, names, orders))


def _submissions(orders: int, due_ms: int) -> Iterator[NewRecord]:
    now_ms = time.time_ns() // 1_000_000
    for number in range(orders):
        new = submission(FIRST_NUMBER + number, now_ms)
        within_ms = due_ms - now_ms + number % SPREAD_MS
        value = orjson.dumps(orjson.loads(new.value or b"") | {"return_within_ms": within_ms})
        yield new._replace(value=value, timestamp_ms=None)


def _looks(worker: WorkerProcess, orders: int, *, due_s: float, limit_s: float) -> Iterator[Look]:
    time.sleep(max(due_s - time.time(), 0))
    told = 0.0
    while told < orders:
        text = worker.page("/metrics")[1]
        at_s, told = time.time() - due_s, sum_of(text, VERDICTS)
        assert at_s < limit_s, f"{told:,.0f} of {orders:,} alerts after {at_s:.0f} s"
        if text:
            yield Look(at_s, sum_of(text, READ), told)
        time.sleep(1)


def _back_ms(bootstrap: str, names: Names, orders: int) -> int:
    ours = {order_id(FIRST_NUMBER + number) for number in range(orders)}
    newest_ms: dict[int, int] = {}
    back_ms = 0
    for partition, value in _values(bootstrap, names.alerts):
        if value["order_id"] in ours:
            ours.discard(value["order_id"])
            deadline_ms = milliseconds(value["deadline"])
            newest = newest_ms.setdefault(partition, deadline_ms)
            back_ms = max(back_ms, newest - deadline_ms)
            newest_ms[partition] = max(newest, deadline_ms)
    assert not ours, f"{len(ours)} orders have no alert"
    return back_ms


def _values(bootstrap: str, topic: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Of all alerts, in each partition in their order; a million of them do not fit at once."""
    consumer = new_consumer(bootstrap, "read_committed")
    try:
        partitions = set(consumer.list_topics(topic).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        while partitions:
            messages = consumer.consume(5_000, LISTEN_TIMEOUT_S)
            assert messages, f"nothing came for {LISTEN_TIMEOUT_S:.0f} s"
            for message in messages:
                error, partition = message.error(), message.partition() or 0
                if error is None:
                    yield partition, orjson.loads(message.value() or b"")
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    partitions.discard(partition)
    finally:
        consumer.close()
