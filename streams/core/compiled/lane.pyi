"""What lane.pyx gives, for the type checker."""

from collections.abc import Callable

from streams.core.book import Book
from streams.core.compiled.sequence import Portion
from streams.core.notes import Notes
from streams.core.rules import Rules
from streams.core.sequence import Entries

SOURCE: str  # SHA-256 of what it was compiled from.

class Lane:
    def __init__(self, book: Book, rules: Rules, others: Callable[[Entries], None]) -> None: ...
    def work(self, portion: Portion, notes: Notes | None, withheld_until_ms: int) -> None: ...
