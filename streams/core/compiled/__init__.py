"""What of the core is compiled, where there was a C compiler; without it the core is only slower.

`reading` reads plain records, `lane` works them, over the `shelves` of closed orders; `cells` has
their counts, by their `faces`, and `rows` tells these. Each does in every byte what the Python does
that it stands in for.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from schemas import codec
from schemas.codec import Event
from schemas.records import Record
from streams.core.book import Book
from streams.core.rules import Rules
from streams.core.sequence import Entry

if TYPE_CHECKING:
    from streams.core.seconds import Second

try:
    from streams.core.compiled import cells, lane, reading, rows, sums
except ImportError:  # Installed where there was no compiler: hatch_build.py has said so.
    cells = lane = reading = rows = sums = None  # type: ignore[assignment] # They may be missing.


def is_there() -> bool:
    """Whether it was compiled."""
    return lane is not None


def readers() -> tuple[Callable[[Iterable[Record]], list[Event]], ...]:
    """What reads the values of submissions, and of returns."""
    read = reading if is_there() else codec
    return read.read_submissions, read.read_returns


def lane_of(
    book: Book, rules: Rules, others: Callable[[Sequence[Entry]], None]
) -> "lane.Lane | None":
    """A tracker's own, over its book; `others` works the records that are not plain."""
    return lane.Lane(book, rules, others) if is_there() else None


def counter_of(second_at: "Callable[[int], Second]") -> "cells.Counter | None":
    """A tally's own; `second_at` gives the second that a time falls into."""
    return cells.Counter(second_at) if is_there() else None


def teller_of(counter: "cells.Counter | None") -> "rows.Teller | None":
    """What tells the seconds of a counter."""
    return None if counter is None else rows.Teller(counter)
