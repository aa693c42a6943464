"""The header: a checkpoint's last changelog record, which alone says where to go on.

Owns its format. A header of another version, or one that cannot be read, is a StateError, never a
guess.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final
from zlib import crc32

from schemas.records import Record
from streams.core.sequence import NEVER_MS, Mark

FORMAT_VERSION: Final = 2


class StateError(Exception):
    """The state in the changelog cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What identifies the last record worked of an input, if the log is still the same."""

    offset: int
    timestamp_ms: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one input has been worked: next offset, highest record timestamp (ms), last one.

    `topic_id` is None where the broker does not tell ids."""

    next_offset: int
    arrival_ms: int
    last: Fingerprint | None
    topic_id: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """Where a partition number goes on, and how many records its state has.

    `segments` are the numbers of the closed segments: first, and next to come. `entered_inside`
    and `cut_ms`: the log was not read from its first record. `gap_until_ms`: retention took
    records that arrived before then, and a worker was told to go on without them."""

    submitted: Progress
    returned: Progress
    frontier_ms: int
    partitions: int
    policy_digest: str
    segments: tuple[int, int]
    orders: int
    entered_inside: bool
    cut_ms: int | None
    gap_until_ms: int | None
    worked_at_ms: int  # Wall clock of the worker; for people, never for a verdict.

    def progress(self) -> tuple[Progress, Progress]:
        """Of both sides, submitted first."""
        return self.submitted, self.returned


def first_header(
    start: tuple[Progress, Progress], *, partitions: int, policy_digest: str
) -> Header:
    """Of a partition number that has no state yet and is read from `start` on."""
    submitted, returned = start
    return Header(
        submitted=submitted,
        returned=returned,
        frontier_ms=NEVER_MS,
        partitions=partitions,
        policy_digest=policy_digest,
        segments=(0, 0),
        orders=0,
        entered_inside=submitted.next_offset > 0 or returned.next_offset > 0,
        cut_ms=None,
        gap_until_ms=None,
        worked_at_ms=0,
    )


def fingerprint(record: Record) -> Fingerprint:
    """Offset, timestamp and CRC-32 of key and value."""
    return Fingerprint(record.offset, record.timestamp_ms, checksum(record.key, record.value))


def checksum(key: bytes | None, value: bytes | None) -> int:
    """CRC-32 of key, then value."""
    return crc32(value or b"", crc32(key or b""))


def progress_of(mark: Mark, before: Progress) -> Progress:
    """The progress at a mark; what stood last is taken from `before` where nothing was worked."""
    last = before.last if mark.last is None else fingerprint(mark.last)
    return Progress(mark.next_offset, mark.arrival_ms, last, before.topic_id)


def check_same_topic(name: str, before: str | None, now: str | None) -> None:
    """StateError where a topic has another id than before; None is an id that nobody told."""
    if before is not None and now is not None and before != now:
        raise StateError(
            f"The topic {name} was deleted and made anew (its id was {before}, now {now}): the "
            "state is about records that are gone. Use another RETURNWATCH_APP_ID for the new "
            "topic."
        )


def encode_header(header: Header) -> bytes:
    """The value of a header record: JSON, the format version first."""
    fields = {"format_version": FORMAT_VERSION, **asdict(header)}
    return json.dumps(fields, separators=(",", ":")).encode()


def decode_header(value: bytes) -> Header:
    """The header again; StateError for another version or a damaged one."""
    try:
        fields: dict[str, Any] = json.loads(value)
        version = fields.pop("format_version")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise StateError(f"The changelog's header cannot be read ({error}).") from error
    if version != FORMAT_VERSION:
        raise StateError(
            f"The changelog's state has format version {version}, this worker writes "
            f"{FORMAT_VERSION}: run the version of returnwatch that wrote it, or start with "
            "another RETURNWATCH_APP_ID and read the inputs anew."
        )
    try:
        submitted, returned = (_progress(fields.pop(side)) for side in ("submitted", "returned"))
        first, next_one = fields.pop("segments")
        segments = (first, next_one)
        return Header(submitted=submitted, returned=returned, segments=segments, **fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StateError(f"The changelog's header cannot be read ({error}).") from error


def _progress(fields: dict[str, Any]) -> Progress:
    last = fields.pop("last")
    return Progress(last=None if last is None else Fingerprint(**last), **fields)
