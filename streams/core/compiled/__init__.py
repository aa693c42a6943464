"""What of the core is compiled, where there was a C compiler; without it the core is only slower.

`lane` works plain records, `cells` counts them. Each does in every byte what the Python that it
stands in for does.
"""

from collections.abc import Callable, Sequence

from streams.core.book import Book
from streams.core.rules import Rules
from streams.core.sequence import Entry

try:
    from streams.core.compiled import cells, lane
except ImportError:  # Installed where there was no compiler: hatch_build.py has said so.
    cells = lane = None  # type: ignore[assignment] # They may be missing.


def is_there() -> bool:
    """Whether it was compiled."""
    return lane is not None


def lane_of(
    book: Book, rules: Rules, others: Callable[[Sequence[Entry]], None]
) -> "lane.Lane | None":
    """A tracker's own, over its book; `others` works the records that are not plain."""
    return lane.Lane(book, rules, others) if is_there() else None
