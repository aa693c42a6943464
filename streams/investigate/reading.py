"""One partition number being read for a stretch: records in, up to where the stretch is complete.

Owns when a side has been read far enough and when it is too far ahead of the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from schemas.records import RETURNED, SUBMITTED, Record
from streams.core import compiled
from streams.core.sequence import Entry, Mark, Stretch
from streams.investigate.stretch import Portion

BUFFERED_RECORDS_MAX: Final = 20_000  # Of one side; with more, a side that is ahead waits.


class Works(Protocol):
    """Who is handed what was read; a step never passes its `next_switch_ms`."""

    @property
    def next_switch_ms(self) -> int: ...

    def work(self, entries: Sequence[Entry], frontier_ms: int) -> None: ...


@dataclass(slots=True)
class Reading:
    """A partition number of the stretch; `works` get its merged records in steps."""

    portion: Portion
    works: Sequence[Works]
    records: int = 0
    sequence: "compiled.AnySequence" = field(init=False)
    _is_given_up: bool = False

    def __post_init__(self) -> None:
        portion = self.portion
        submitted, returned = map(Mark, portion.starts, portion.arrivals_ms)
        self.sequence = compiled.sequence_of((submitted, returned), portion.frontier_ms)
        for side in (SUBMITTED, RETURNED):
            self._prove(side)

    @property
    def frontier_ms(self) -> int:
        """Up to when verdicts are complete."""
        return self.sequence.frontier_ms

    @property
    def is_done(self) -> bool:
        """Whether nothing more is wanted of either side."""
        return self._is_given_up or not any(map(self._is_missing, (SUBMITTED, RETURNED)))

    def give_up(self) -> None:
        """Leave it at what is complete by now: the rest does not come."""
        self._is_given_up = True

    def feed(self, side: int, bounds: tuple[int, int], records: Sequence[Record]) -> None:
        """Take in what was read next of one side, as [from offset, next offset) and its records."""
        self.sequence.feed(side, Stretch(*bounds, records))
        self.records += len(records)
        self._prove(side)

    def work(self) -> None:
        """Hand on what is complete, in as many steps as the rules change."""
        sequence, to_ms = self.sequence, self.portion.to_ms
        while True:
            limit_ms = min(to_ms, *(each.next_switch_ms for each in self.works))
            entries = sequence.take(limit_ms)
            frontier_ms = sequence.frontier_ms
            for each in self.works:
                each.work(entries, frontier_ms)
            if frontier_ms < limit_ms or limit_ms == to_ms:
                return

    def wants(self, side: int) -> bool:
        """Whether one side should be read on now."""
        if self._is_given_up or not self._is_missing(side):
            return False
        is_far = self.sequence.buffered(side) >= BUFFERED_RECORDS_MAX
        return not (is_far and self.sequence.is_ahead(side))

    def offsets_read(self) -> int:
        """How many offsets are behind it."""
        positions = map(self.sequence.position, (SUBMITTED, RETURNED))
        return sum(at - start for at, start in zip(positions, self.portion.starts, strict=True))

    def missing(self) -> list[int]:
        """The sides that are not complete up to the end of the stretch."""
        return [side for side in (SUBMITTED, RETURNED) if self._is_missing(side)]

    def _is_missing(self, side: int) -> bool:
        return self.sequence.complete_ms(side) < self.portion.to_ms

    def _prove(self, side: int) -> None:
        self.sequence.prove(side, self.portion.ends[side], self.portion.proven_ms)
