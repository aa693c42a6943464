"""What of the core is compiled, where there was a C compiler; without it the core is only slower.

`blocks` holds records where they lie, `sequence` merges them, `values` reads what is plain of them
and `lane` works it, over `orders` in a `shed`, the `hints` of their deadlines and the `shelves` of
closed ones; `pairs` hold what changed of them, as a ledger writes it; `cells` has the counts, by
`faces`, and `rows` tells these. Each does in every byte what the Python does that it stands in for.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from streams.core import sequence as python
from streams.core.sequence import Entries, Mark

if TYPE_CHECKING:
    from streams.core.book import Book
    from streams.core.kept import KeyValue, Orders
    from streams.core.rules import Rules
    from streams.core.seconds import Second
    from streams.core.timers import Timers

try:
    from streams.core.compiled import cells, hints, lane, orders, pairs, rows, sequence, sums
except ImportError:  # Installed where there was no compiler: hatch_build.py has said so.
    cells = hints = lane = None  # type: ignore[assignment] # They may be missing.
    orders = pairs = rows = None  # type: ignore[assignment] # They, too.
    sequence = sums = None  # type: ignore[assignment] # They, too.

AnyOrders: TypeAlias = "Orders | orders.Orders"
AnySequence: TypeAlias = "python.Sequence | sequence.Sequence"
AnyPairs: TypeAlias = "list[KeyValue] | pairs.Pairs"
AnyTimers: TypeAlias = "Timers | hints.Hints"


def is_there() -> bool:
    """Whether it was compiled."""
    return lane is not None


def sequence_of(marks: tuple[Mark, Mark], frontier_ms: int = python.NEVER_MS) -> AnySequence:
    """The sequence of one partition number."""
    if is_there():
        return sequence.Sequence(marks, frontier_ms)
    return python.Sequence(marks, frontier_ms)


def kept() -> "tuple[orders.Orders, hints.Hints] | None":
    """The orders of a book, and the index of their deadlines."""
    if not is_there():
        return None
    found = orders.Orders()
    return found, hints.Hints(found)


def lane_of(
    book: "Book", rules: "Rules", others: "Callable[[Entries], None]"
) -> "lane.Lane | None":
    """A tracker's own, over its book; `others` works the records that are not plain."""
    return lane.Lane(book, rules, others) if is_there() else None


def are_in_place(entries: Entries) -> "TypeGuard[sequence.Portion]":
    """Whether a lane works these entries: those of a compiled sequence."""
    return is_there() and isinstance(entries, sequence.Portion)


def are_in_one_piece(given: AnyPairs) -> "TypeGuard[pairs.Pairs]":
    """Whether a ledger can write these as they are."""
    return is_there() and isinstance(given, pairs.Pairs)


def counter_of(second_at: "Callable[[int], Second]") -> "cells.Counter | None":
    """A tally's own; `second_at` gives the second that a time falls into."""
    return cells.Counter(second_at) if is_there() else None


def teller_of(counter: "cells.Counter | None") -> "rows.Teller | None":
    """What tells the seconds of a counter."""
    return None if counter is None else rows.Teller(counter)
