"""The records of the changelog: their keys, and what a partition's state is put together from.

Owns the key layout: one letter, then what it is about. Orders stand under `o` and their id,
closed segments under `c` and a number, the text of rules and settings under `s` and its hash, the
counts of a second that is not over under `t` and its number, the header under `h`.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from schemas.records import Record
from streams.core.closed import ENTRY_BYTES, closing_ms, entries_of
from streams.core.kept import KeyValue
from streams.state.header import Header, StateError, decode_header

HEADER_KEY = b"h"
ORDER: Final = b"o"  # Then the order's key: where nearly all records stand.
SEGMENT_KEY_BYTES: Final = 9
STATS_KEY_BYTES: Final = 9
SEGMENT_BYTES_MAX: Final = 10_000 * ENTRY_BYTES  # 240 kB, well within what a broker takes.

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Segment:
    """A closed segment that stands in the changelog: its number, its newest closing time."""

    number: int
    newest_ms: int


@dataclass(slots=True)
class State:
    """What the changelog of one partition holds, after all its records were taken in."""

    header: Header | None = None
    orders: dict[bytes, bytes] = field(default_factory=dict)
    segments: dict[int, bytes] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    stats: dict[int, bytes] = field(default_factory=dict)  # By second since 1970.

    def take_all(self, records: Iterable[Record]) -> None:
        """Take in the next records; raises what `take` does."""
        orders = self.orders
        for record in records:
            key, value = record.key, record.value
            if key is not None and value is not None and key[:1] == ORDER:
                orders[key[1:]] = value
            else:
                self.take(key, value)

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take in the next record; StateError for one that is none of ours, or damaged."""
        try:
            self._take(key, value)
        except UnicodeDecodeError as error:
            raise StateError(f"The changelog holds a damaged record: {error}.") from error

    def check(self) -> None:
        """StateError where records are missing that the header counts: never a wrong state."""
        header = self.header
        if header is None:
            if self.orders or self.segments or self.policies:
                raise StateError(_lost("it holds records of orders, but no header"))
            return
        if len(self.orders) != header.orders:
            raise StateError(
                _lost(f"it holds {len(self.orders)} orders, its header counts {header.orders}")
            )
        if sorted(self.segments) != list(range(*header.segments)):
            raise StateError(_lost("closed segments are missing"))
        if header.policy_digest not in self.policies:
            raise StateError(_lost("the text of its rules is missing"))

    def _take(self, key: bytes | None, value: bytes | None) -> None:
        kind = None if key is None else key[:1]
        if key is None or kind is None:
            raise StateError("The changelog holds a record without a key: it is not ours.")
        if kind == ORDER:
            _put(self.orders, key[1:], value)
        elif kind == b"c" and len(key) == SEGMENT_KEY_BYTES:
            _put(self.segments, int.from_bytes(key[1:], "big"), value)
        elif kind == b"t" and len(key) == STATS_KEY_BYTES:
            _put(self.stats, int.from_bytes(key[1:], "big"), value)
        elif kind == b"s":
            text = None if value is None else value.decode()
            _put(self.policies, key[1:].decode(), text)
        elif key == HEADER_KEY:
            self.header = None if value is None else decode_header(value)
        else:
            raise StateError(f"The changelog holds a record with the key {key[:20]!r}: not ours.")


class Segments:
    """The closed segments that stand in the changelog, and which are due for their tombstone."""

    def __init__(
        self, remember_ms: int, next_number: int, standing: Iterable[Segment] = ()
    ) -> None:
        self._remember_ms = remember_ms
        self._standing = deque(sorted(standing, key=lambda segment: segment.number))
        self.next_number = next_number

    @property
    def bounds(self) -> tuple[int, int]:
        """The number of the first that stands, and of the next to come."""
        first = self._standing[0].number if self._standing else self.next_number
        return first, self.next_number

    def records(self, closings: bytes, frontier_ms: int) -> list[KeyValue]:
        """What there is to keep, as new segments, and the tombstones that are due."""
        records: list[KeyValue] = []
        while self._standing and self._is_over(self._standing[0], frontier_ms):
            records.append((segment_key(self._standing.popleft().number), None))
        starts = range(0, len(closings), SEGMENT_BYTES_MAX)
        return [*records, *(self._new(closings[at : at + SEGMENT_BYTES_MAX]) for at in starts)]

    def _new(self, closings: bytes) -> KeyValue:
        number = self.next_number
        self.next_number += 1
        newest_ms = closing_ms(closings[-ENTRY_BYTES:])  # Closing times never go backwards.
        self._standing.append(Segment(number, newest_ms))
        return segment_key(number), closings

    def _is_over(self, segment: Segment, frontier_ms: int) -> bool:
        return segment.newest_ms + self._remember_ms < frontier_ms


def segments_of(state: State) -> list[Segment]:
    """The closed segments of a restored state; StateError for a cut one."""
    try:
        return [
            Segment(number, max(closing_ms(entry) for entry in entries_of(segment)))
            for number, segment in sorted(state.segments.items())
        ]
    except ValueError as error:
        raise StateError(f"The changelog holds a damaged record: {error}.") from error


def segment_key(number: int) -> bytes:
    """The changelog key of a closed segment."""
    return b"c" + number.to_bytes(8, "big")


def stats_key(second_s: int) -> bytes:
    """The changelog key of the counts of a second that is not over."""
    return b"t" + second_s.to_bytes(8, "big")


def policy_key(digest: str) -> bytes:
    """The changelog key of a text of rules and settings."""
    return b"s" + digest.encode()


def _lost(what: str) -> str:
    return (
        f"The changelog has lost records: {what}. Check that its cleanup.policy is compact and "
        "that nothing deletes from it; to build the state again from the inputs start with another "
        "RETURNWATCH_APP_ID (verdicts already told are told again, with the same ids)."
    )


def _put(where: dict[_K, _V], key: _K, value: _V | None) -> None:
    if value is None:
        where.pop(key, None)
    else:
        where[key] = value
