"""The quick lane of plain records, where it was compiled; a tracker without one is only slower."""

from collections.abc import Callable, Sequence

from streams.core.book import Book
from streams.core.rules import Rules
from streams.core.sequence import Entry

try:
    from streams.core import lane
except ImportError:  # Installed where there was no compiler: hatch_build.py has said so.
    lane = None  # type: ignore[assignment] # It may be missing.


def is_compiled() -> bool:
    """Whether trackers have their lane."""
    return lane is not None


def lane_of(
    book: Book, rules: Rules, others: Callable[[Sequence[Entry]], None]
) -> "lane.Lane | None":
    """A tracker's own, over its book; `others` works the records that are not plain."""
    return lane.Lane(book, rules, others) if is_compiled() else None
