"""The load of the measurements: orders in event time, 1 % of them never answered."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.broker.records import NewRecord, new_producer, put
from tests.broker.topics import Names, create_topics

RETURN_AFTER_MS: Final = 20_000
WITHIN_MS: Final = 30_000
LOST_EVERY: Final = 100


@dataclass(frozen=True, slots=True)
class Load:
    """So many orders, so many of them a second in event time; the rest follows."""

    orders: int
    orders_per_s: int = 5_000  # 20 s until the return: 100,000 orders open at a time.
    merchants: int = 300  # Of 20 providers; where it is a multiple of 20, as many scopes.

    @property
    def records(self) -> int:
        return self.orders + self.orders - self.lost

    @property
    def lost(self) -> int:
        return -(-self.orders // LOST_EVERY)

    @property
    def open_at_once(self) -> int:
        return self.orders_per_s * RETURN_AFTER_MS // 1_000

    @property
    def open_at_most(self) -> int:
        """Fewer than the rate makes, where the load ends before."""
        return min(self.orders, self.open_at_once)

    def ends_after_ms(self) -> int:
        return self.orders * 1_000 // self.orders_per_s + RETURN_AFTER_MS

    def submitted(self, begin_ms: int) -> Iterator[NewRecord]:
        for number in range(self.orders):
            at_ms = begin_ms + number * 1_000 // self.orders_per_s
            yield submission(number, at_ms, merchants=self.merchants)

    def returned(self, begin_ms: int) -> Iterator[NewRecord]:
        for number in range(self.orders):
            if number % LOST_EVERY:
                at_ms = begin_ms + number * 1_000 // self.orders_per_s + RETURN_AFTER_MS
                yield a_return(number, at_ms)


def order_id(number: int) -> str:
    """36 characters, like a UUID."""
    return f"{number:08d}-7a70-4c11-9d6e-{number:012d}"


def submission(number: int, at_ms: int, *, merchants: int = 300) -> NewRecord:
    fields = {
        "order_id": order_id(number),
        "submitted_at": at_ms,
        "kind": "payment",
        "provider": f"provider-{number % 20}",
        "merchant": f"shop-{number % merchants}",
        "amount_minor": 100 + number % 9_000,
        "currency": "EUR",
    }
    key = order_id(number).encode()
    return NewRecord(key, json.dumps(fields).encode(), timestamp_ms=at_ms)


def a_return(number: int, at_ms: int) -> NewRecord:
    fields = {"order_id": order_id(number), "returned_at": at_ms, "outcome": "accepted"}
    key = order_id(number).encode()
    return NewRecord(key, json.dumps(fields).encode(), timestamp_ms=at_ms)


def load_topics(bootstrap: str, names: Names, load: Load, *, partitions: int) -> None:
    """Make the topics, with the producers' times, and fill the inputs."""
    inputs = {names.submitted, names.returned}
    topics = names.topics(partitions).items()
    create_topics(bootstrap, {name: made for name, made in topics if name not in inputs})
    load_inputs(bootstrap, names, load, partitions=partitions)


def load_inputs(bootstrap: str, names: Names, load: Load, *, partitions: int) -> None:
    """The inputs alone, for several to read: every deadline has passed when it returns."""
    settings = {"message.timestamp.type": "CreateTime"}
    inputs = (names.submitted, names.returned)
    create_topics(bootstrap, dict.fromkeys(inputs, (partitions, settings)))
    begin_ms = time.time_ns() // 1_000_000 - load.ends_after_ms() - 2 * WITHIN_MS
    fill(bootstrap, names.submitted, load.submitted(begin_ms))
    fill(bootstrap, names.returned, load.returned(begin_ms))


def fill(bootstrap: str, topic: str, records: Iterator[NewRecord]) -> None:
    producer = new_producer(bootstrap, **{"linger.ms": 50, "batch.size": 200_000})
    for record in records:
        put(producer, topic, record)
    left = producer.flush(120)
    assert left == 0, f"{left} records were not written"
