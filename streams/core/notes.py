"""What became of orders, as the tracker notes it down for those who count.

A note is a plain tuple, made only where somebody counts: (when it took effect in ms, what, about,
order). `order` is what is kept of the order, packed or as its submission. What nearly all records
lead to, a fresh order and its answer in time, is counted at once instead: notes of these that wait
cost the garbage collector seven times the work of everything else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from schemas.events import Return
from streams.core.orders import Order, State

if TYPE_CHECKING:  # It may not have been compiled.
    from streams.core.compiled.cells import Counter

OPENED: Final = 0  # About: the submission. Order: None.
ANSWERED: Final = 1  # In time. About: the return. Order: as it was open; a submission just come.
INTERIM: Final = 2  # About: the return. Order: packed, a held return or None if it is not known.
TIMED_OUT: Final = 3  # About: the order's key.
LATE: Final = 4  # About: the return. Order: as it had timed out.
LATE_OPEN: Final = 5  # The same, while a newer attempt was open. Order: the newer attempt.
LATE_GONE: Final = 6  # The same, its newer attempt being GONE.
GONE: Final = 7  # An open order that will never be told: superseded, or withheld.
FORGOTTEN: Final = 8  # A told time-out is no longer waited for: forgotten, or tried again.
HELD: Final = 9  # A final return to an order that is not known. About: the return.
UNMATCHED: Final = 10  # It waited in vain. About: the return. Order: the order's key.
CONFLICTING: Final = 11  # About: the return.
UNREADABLE: Final = 12  # About: (side, what is unreadable). Order: packed, if it is known.
NOTHING: Final = 13  # A withheld order came back: nobody was told of it.

Note = tuple[int, int, Any, Any]
Opened = Callable[[int, int, bytes], None]  # When, the amount, the order in packed form.
Answered = Callable[[int, Return, bytes], None]  # When, the return, the order as it was open.


@dataclass(slots=True)
class Notes:
    """Who counts an order that opens and one that is answered, and what is not yet counted. The
    two are told of orders of which nothing but the submission is kept, so that their packed form
    ends with its texts. `counter` is what counts the same in C, where it is compiled."""

    opened: Opened
    answered: Answered
    counter: "Counter | None" = None
    others: list[Note] = field(default_factory=list)


def answer_to(order: Order) -> int:
    """Which note a final return to an open or timed-out order is."""
    if order.state == State.OPEN:
        return ANSWERED if order.late is None else LATE_OPEN
    if order.late is None:
        return NOTHING
    return LATE_GONE if order.is_withheld else LATE
