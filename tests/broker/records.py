"""Records for tests: written fast, in transactions if need be, and read back to the end."""

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.05
MURMUR2: Final = "murmur2_random"  # Java's; librdkafka's own is consistent_random, a CRC32.


class NewRecord(NamedTuple):
    """Without a partition the key's murmur2 hash picks it; without a time the producer's clock."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = None
    timestamp_ms: int | None = None


class StoredRecord(NamedTuple):
    partition: int
    offset: int
    timestamp_ms: int
    log_append_time: bool
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def produce(
    bootstrap: str, topic: str, records: Iterable[NewRecord], *, partitioner: str = MURMUR2
) -> None:
    """All are in the log when it returns. Raises KafkaException for the first that is not."""
    producer = new_producer(bootstrap, partitioner=partitioner)
    failed: list[KafkaError] = []
    for record in records:
        put(producer, topic, record, failed)
    left = producer.flush(TIMEOUT_S)
    if failed:
        raise KafkaException(failed[0])
    assert left == 0, f"{left} records were not written within {TIMEOUT_S} s"


@contextmanager
def transaction(bootstrap: str, transactional_id: str | None = None) -> Iterator[Producer]:
    """An open transaction; `put` into it, then commit_transaction or abort_transaction.

    Left open by the test it is aborted at the end, as a producer that goes away would be.
    """
    producer = new_producer(
        bootstrap, **{"transactional.id": transactional_id or f"test-{uuid.uuid4()}"}
    )
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    try:
        yield producer
    finally:
        try:
            producer.abort_transaction(TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError._STATE:  # Committed or aborted by the test.
                raise


def put(
    producer: Producer, topic: str, record: NewRecord, failed: list[KafkaError] | None = None
) -> None:
    """Hands one record to the producer, waiting where its queue is full."""
    while True:
        try:
            producer.produce(topic, **_arguments(record, failed))
            return
        except BufferError:
            producer.poll(POLL_S)


def new_producer(bootstrap: str, *, partitioner: str = MURMUR2, **more: Any) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": partitioner,
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
            "message.max.bytes": 2_000_000,
            "log_level": 0,
            **more,
        }
    )


def read_all(
    bootstrap: str, topic: str, *, isolation: str = "read_committed"
) -> list[StoredRecord]:
    """From the start to the end (the last stable offset), by partition and offset."""
    consumer = new_consumer(bootstrap, isolation)
    try:
        partitions = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        records = list(_to_the_end(consumer, len(partitions)))
    finally:
        consumer.close()
    return sorted(records, key=lambda record: (record.partition, record.offset))


def read_until(
    bootstrap: str, topic: str, count: int, *, timeout_s: float = TIMEOUT_S
) -> list[StoredRecord]:
    """Committed records, as soon as there are `count` or more. Fails with what there is."""
    until = time.monotonic() + timeout_s
    while len(records := read_all(bootstrap, topic)) < count:
        assert time.monotonic() < until, f"{len(records)} of {count} records: {records}"
        time.sleep(POLL_S)
    return records


def new_consumer(bootstrap: str, isolation: str) -> Consumer:
    """It belongs to no group: partitions are assigned by hand, nothing is committed."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "test-reads-without-a-group",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 10,
            "log_level": 0,
        }
    )


def _to_the_end(consumer: Consumer, partitions: int) -> Iterator[StoredRecord]:
    ended: set[int | None] = set()
    until = time.monotonic() + TIMEOUT_S
    while len(ended) < partitions:
        assert time.monotonic() < until, f"the end was not reached within {TIMEOUT_S} s"
        for message in consumer.consume(10_000, POLL_S):
            error = message.error()
            if error is None:
                yield _stored(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            else:
                raise KafkaException(error)


def _arguments(record: NewRecord, failed: list[KafkaError] | None) -> dict[str, Any]:
    arguments: dict[str, Any] = {"key": record.key, "value": record.value}
    if record.headers:
        arguments["headers"] = list(record.headers)
    if record.partition is not None:
        arguments["partition"] = record.partition
    if record.timestamp_ms is not None:
        arguments["timestamp"] = record.timestamp_ms
    if failed is not None:
        arguments["on_delivery"] = lambda error, _: failed.append(error) if error else None
    return arguments


def _stored(message: Message) -> StoredRecord:
    kind, timestamp_ms = message.timestamp()
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return StoredRecord(
        partition=partition,
        offset=offset,
        timestamp_ms=timestamp_ms,
        log_append_time=kind == TIMESTAMP_LOG_APPEND_TIME,
        key=message.key(),
        value=message.value(),
        headers=list(message.headers() or []),
    )
