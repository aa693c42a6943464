"""Histories of orders on a broker: chosen steps, written with their own times, in the past.

The inputs take the producers' times here, so that an hour of orders is there at once.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from schemas.records import SUBMITTED
from tests.broker.orders import now_ms
from tests.broker.records import NewRecord, StoredRecord, produce, read_all
from tests.broker.topics import Names
from tests.property.logs import Step

CREATE_TIME: Final = {"message.timestamp.type": "CreateTime"}
HOUR_MS: Final = 3_600_000

Written = list[tuple[int, NewRecord]]  # Side and record, in the order they happened.


def topics_of(names: Names, partitions: int = 1) -> dict[str, tuple[int, dict[str, str]]]:
    """All five, the inputs with their producers' times."""
    topics = {
        name: (count, dict(configs)) for name, (count, configs) in names.topics(partitions).items()
    }
    return topics | dict.fromkeys((names.submitted, names.returned), (partitions, CREATE_TIME))


def written(steps: Sequence[Step], partition: int = 0, *, begin_ms: int | None = None) -> Written:
    """The records of the steps, from an hour ago on unless told otherwise."""
    at_ms = now_ms() - HOUR_MS if begin_ms is None else begin_ms
    records: Written = []
    for step in steps:
        at_ms += step.wait_ms
        key = step.order_id if step.key is None else step.key
        value = step.value(at_ms)
        record = NewRecord(key.encode() or None, value, partition=partition, timestamp_ms=at_ms)
        records.append((step.side, record))
    return records


def write(bootstrap: str, names: Names, records: Iterable[tuple[int, NewRecord]]) -> None:
    """In the log when it returns."""
    happened = list(records)
    for topic, side in ((names.submitted, SUBMITTED), (names.returned, 1 - SUBMITTED)):
        produce(bootstrap, topic, [record for each, record in happened if each == side])


def told(bootstrap: str, names: Names) -> list[StoredRecord]:
    """The alerts that were committed."""
    return read_all(bootstrap, names.alerts)


def values(records: Iterable[StoredRecord]) -> list[bytes]:
    """Their values, sorted."""
    return sorted(record.value or b"" for record in records)
