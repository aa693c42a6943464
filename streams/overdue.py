"""How many orders are past their deadline and not decided yet, counted now and then.

Owns how often that is: counting looks at each such order, and while a log is being caught up with
that is all that are open. A figure for people must not cost the verdicts their time.
"""

import time
from dataclasses import dataclass, field
from typing import Final

from streams.core.book import Book

COUNTED_MAX: Final = 100_000  # Of one partition; with more the figure says only this.
COST_RATIO_MAX: Final = 0.01  # Of the worker's time, at most, goes into counting.


@dataclass(slots=True)
class OverdueOrders:
    """The newest count of one partition number's orders; (how many, earliest deadline in ms)."""

    _found: tuple[int, int] = (0, 0)
    _next_s: float = field(default=0.0)

    def look(self, book: Book, now_ms: int, *, partitions: int) -> tuple[int, int]:
        """The count as it is, or as it was a while ago if the last one took long; the worker has
        so many partitions that are counted."""
        began_s = time.monotonic()
        if began_s >= self._next_s:
            self._found = book.overdue(now_ms, COUNTED_MAX)
            ended_s = time.monotonic()
            self._next_s = ended_s + (ended_s - began_s) * partitions / COST_RATIO_MAX
        return self._found
