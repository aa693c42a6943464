"""What the topics hold about an order: each record, with its role and what it says.

Pure: takes records that were found, and reads them as the worker and its subscribers do.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aiokafka import TopicPartition

from schemas.codec import read_alert, read_return, read_submission
from schemas.deadletters import Requeued, StoredLetter, read_letter, read_marker
from schemas.events import Return, Submission
from schemas.records import Record, Unreadable


class Role(StrEnum):
    """What a record is to an order."""

    SUBMITTED = "submitted"
    RETURNED = "returned"
    ALERT = "alert"
    DEAD_LETTER = "dead letter"
    REQUEUED = "sent again"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One record: `said` is what was read from it, an alert's being its value; None where it is
    nothing that we know."""

    role: Role
    topic: str
    partition: int
    record: Record
    said: Submission | Return | Unreadable | StoredLetter | Requeued | dict[str, Any] | None

    @property
    def at_ms(self) -> int:
        """Kafka's own time of it."""
        return self.record.timestamp_ms

    @property
    def is_input(self) -> bool:
        """Whether a worker reads it."""
        return self.role in (Role.SUBMITTED, Role.RETURNED)

    @property
    def place(self) -> str:
        """Where it stands: `order-submitted 2:1234`, partition and offset."""
        return f"{self.topic} {self.partition}:{self.record.offset}"


@dataclass(frozen=True, slots=True)
class FourTopics:
    """The names of the topics that speak of orders."""

    submitted: str
    returned: str
    alerts: str
    dead_letters: str

    def names(self) -> tuple[str, str, str, str]:
        """All four."""
        return self.submitted, self.returned, self.alerts, self.dead_letters


def evidence_of(
    topics: FourTopics, found: Iterable[tuple[TopicPartition, Record]]
) -> list[Evidence]:
    """The records that were found, each read by its topic."""
    return [_read(topics, tp, record) for tp, record in found]


def _read(topics: FourTopics, tp: TopicPartition, record: Record) -> Evidence:
    where = (tp.topic, tp.partition)
    if tp.topic == topics.submitted:
        return Evidence(Role.SUBMITTED, *where, record, read_submission(record))
    if tp.topic == topics.returned:
        return Evidence(Role.RETURNED, *where, record, read_return(record))
    if tp.topic == topics.alerts:
        return Evidence(Role.ALERT, *where, record, _alert(record))
    letter = read_letter(tp.partition, record)
    if letter is not None:
        return Evidence(Role.DEAD_LETTER, *where, record, letter)
    mark = read_marker(record)
    role = Role.DEAD_LETTER if mark is None else Role.REQUEUED
    return Evidence(role, *where, record, mark)


def _alert(record: Record) -> dict[str, Any] | None:
    try:
        return read_alert(record.value or b"")
    except ValueError:
        return None
