"""One sequence out of the two topics of one partition number, worked up to a frontier.

Owns arrival times, the order of records, the frontier and the offsets worked. Must not know what
an order is, nor what time it is: proofs of completeness come in as arguments.
"""

from bisect import bisect_left
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from schemas.codec import Event, read_returns, read_submissions
from schemas.records import RETURNED, SUBMITTED, Record

# (arrival as worked ms, side, offset, event, record, arrival in the log ms). A plain tuple: its
# own order is the order of the sequence, because (arrival, side, offset) is unique.
Entry = tuple[int, int, int, Event, Record, int]
Entries = Seq[Entry]

_READERS: Final = (read_submissions, read_returns)

_ARRIVAL: Final = itemgetter(0)  # Numbers compare three times as quickly as entries.

NEVER_MS: Final = -1  # Before every record timestamp.


def behind(entry: Entry) -> tuple[int, int] | None:
    """(arrival, worked as), both in ms, of a record that came in behind the frontier."""
    worked_as_ms, *_, arrival_ms = entry
    return None if worked_as_ms == arrival_ms else (arrival_ms, worked_as_ms)


class OffsetGap(AssertionError):
    """A stretch was handed over that does not begin where the one before it ended."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a topic partition as it was read: [from_offset, next_offset), records in it may be
    few or none (transaction markers, aborted batches)."""

    from_offset: int
    next_offset: int
    records: Seq[Record]


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one side has been worked: where to go on, and what stood last before."""

    next_offset: int
    arrival_ms: int = NEVER_MS
    last: Record | None = None


@dataclass(slots=True)
class _Side:
    worked: Mark
    position: int
    arrival_ms: int  # Of the newest record read; also: complete up to here.
    proven_ms: int = NEVER_MS
    buffer: list[Entry] = field(default_factory=list)

    @property
    def complete_ms(self) -> int:
        return max(self.arrival_ms, self.proven_ms)


class Sequence:
    """The merged records of one partition number; `take` gives those before the frontier."""

    def __init__(self, marks: tuple[Mark, Mark], frontier_ms: int = NEVER_MS) -> None:
        self.frontier_ms = frontier_ms
        self.records_behind_frontier = 0
        self._sides = tuple(_Side(mark, mark.next_offset, mark.arrival_ms) for mark in marks)

    def feed(self, side: int, stretch: Stretch) -> None:
        """Take in what was read next of one side; OffsetGap if it is not what comes next."""
        of = self._sides[side]
        if stretch.from_offset != of.position or stretch.next_offset < stretch.from_offset:
            raise OffsetGap(
                f"expected offset {of.position}, was handed {stretch.from_offset} to "
                f"{stretch.next_offset}"
            )
        arrival = of.arrival_ms
        frontier = self.frontier_ms
        append = of.buffer.append
        events = _READERS[side](stretch.records)
        for record, event in zip(stretch.records, events, strict=True):
            offset, timestamp = record.offset, record.timestamp_ms
            if timestamp > arrival:
                arrival = timestamp
            if arrival >= frontier:
                append((arrival, side, offset, event, record, arrival))
            else:
                self.records_behind_frontier += 1
                append((frontier - 1, side, offset, event, record, arrival))
        of.arrival_ms = arrival
        of.position = stretch.next_offset

    def prove(self, side: int, high_watermark: int, to_ms: int) -> bool:
        """Complete up to `to_ms` if the position has reached the watermark (asked for later than
        `to_ms` plus grace); says whether it has."""
        of = self._sides[side]
        reached = of.position >= high_watermark
        if reached and to_ms > of.proven_ms:
            of.proven_ms = to_ms
        return reached

    def take(self, limit_ms: int) -> list[Entry]:
        """Move the frontier on, never beyond `limit_ms`, and give the records before it."""
        frontier = min(of.complete_ms for of in self._sides)
        frontier = max(min(frontier, limit_ms), self.frontier_ms)
        self.frontier_ms = frontier
        released = [self._release(of, frontier) for of in self._sides]
        if not released[RETURNED]:
            return released[SUBMITTED]
        if not released[SUBMITTED]:
            return released[RETURNED]
        # Two runs, which the sort merges; it is stable, so that submitted stays before returned.
        return sorted(released[SUBMITTED] + released[RETURNED], key=_ARRIVAL)

    def position(self, side: int) -> int:
        """The offset up to which one side has been read."""
        return self._sides[side].position

    def marks(self) -> tuple[Mark, Mark]:
        """Where both sides have been worked to; the next offset never passes a waiting record."""
        submitted, returned = (self._mark(of) for of in self._sides)
        return submitted, returned

    def buffered(self, side: int) -> int:
        """How many records of one side wait for the frontier."""
        return len(self._sides[side].buffer)

    def first_waiting_ms(self) -> int | None:
        """The arrival of the first record that waits for the frontier."""
        return min((of.buffer[0][0] for of in self._sides if of.buffer), default=None)

    def is_ahead(self, side: int) -> bool:
        """Whether one side stands later in time than the other, so that it may be held back."""
        return self._sides[side].complete_ms > self._sides[1 - side].complete_ms

    def complete_ms(self, side: int) -> int:
        """Up to when one side is complete."""
        return self._sides[side].complete_ms

    def _release(self, of: _Side, frontier: int) -> list[Entry]:
        count = bisect_left(of.buffer, (frontier,))
        if count == 0:
            return []
        released = of.buffer[:count]
        del of.buffer[:count]
        last = released[-1]
        assert last[2] >= of.worked.next_offset, "an offset went backwards"
        of.worked = Mark(last[2] + 1, last[5], last[4])
        return released

    def _mark(self, of: _Side) -> Mark:
        next_offset = of.buffer[0][2] if of.buffer else of.position
        return Mark(next_offset, of.worked.arrival_ms, of.worked.last)
