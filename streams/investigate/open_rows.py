"""What a snapshot says of each order, for people and databases, and the packed form it stands for.

One row an order that is open, timed out or held; one a segment of the closed orders that are still
remembered, which only a replay needs. The packed form alone is read back; the rest is made of it.
"""

from collections.abc import Iterator
from typing import Any, Final

from streams.core.closed import ENTRY_BYTES
from streams.core.orders import Held, Order
from streams.core.orders import State as OrderState
from streams.core.packing import unpack
from streams.state.changelog import State

OPEN: Final = "open"
TIMED_OUT: Final = "timed_out"
HELD: Final = "held"
CLOSED: Final = "closed"
STATES: Final = {OrderState.OPEN: OPEN, OrderState.TIMED_OUT: TIMED_OUT, OrderState.HELD: HELD}

Row = dict[str, Any]

TEXT: Final = "text"
INTEGER: Final = "integer"
MOMENT: Final = "moment"  # Milliseconds since 1970 UTC.
FLAG: Final = "flag"
BYTES: Final = "bytes"

# The columns of a row in their order, each with its kind; what a row does not have is None.
COLUMNS: Final = {
    "state": TEXT,
    "partition": INTEGER,
    "order_id": TEXT,
    "attempt": INTEGER,
    "kind": TEXT,
    "provider": TEXT,
    "merchant": TEXT,
    "player": TEXT,
    "amount_minor": INTEGER,
    "currency": TEXT,
    "submitted_at": MOMENT,
    "deadline": MOMENT,
    "return_within_ms": INTEGER,
    "age_ms": INTEGER,
    "rule": TEXT,
    "severity": TEXT,
    "source_offset": INTEGER,
    "is_withheld": FLAG,
    "earlier_attempt": INTEGER,
    "interim_outcome": TEXT,
    "interim_code": TEXT,
    "interim_message": TEXT,
    "interim_count": INTEGER,
    "older_attempt": INTEGER,
    "older_outcome": TEXT,
    "unreadable_returns": INTEGER,
    "outcome": TEXT,
    "code": TEXT,
    "returned_at": MOMENT,
    "arrived_at": MOMENT,
    "segment": INTEGER,
    "closed_orders": INTEGER,
    "packed": BYTES,
}
_NOTHING: Final[Row] = dict.fromkeys(COLUMNS)


def rows_of(partition: int, state: State, at_ms: int) -> Iterator[Row]:
    """Every row of one partition's state, ages as of `at_ms`; ValueError or struct.error where an
    order is none of ours."""
    for key, packed in state.orders.items():
        yield order_row(partition, key, packed, at_ms=at_ms)
    for number, segment in sorted(state.segments.items()):
        closed = {"segment": number, "closed_orders": len(segment) // ENTRY_BYTES}
        yield _NOTHING | {"state": CLOSED, "partition": partition} | closed | {"packed": segment}


def order_row(partition: int, key: bytes, packed: bytes, *, at_ms: int) -> Row:
    """The row of one order that is not closed."""
    order = unpack(packed)
    known = _held(order, at_ms) if isinstance(order, Held) else _order(order, at_ms)
    where = {"partition": partition, "order_id": key.decode(), "packed": packed}
    return _NOTHING | where | known


def put_back(state: State, row: Row) -> None:
    """The order or segment of a row, back into the state it came from."""
    if row["state"] == CLOSED:
        state.segments[row["segment"]] = row["packed"]
    else:
        state.orders[row["order_id"].encode()] = row["packed"]


def _order(order: Order, at_ms: int) -> Row:
    sent = order.sent
    row = {
        "state": STATES[order.state],
        "attempt": sent.attempt,
        "kind": sent.kind,
        "provider": sent.provider,
        "merchant": sent.merchant,
        "player": sent.player,
        "amount_minor": sent.amount_minor,
        "currency": sent.currency,
        "submitted_at": sent.submitted_at,
        "deadline": sent.deadline_ms,
        "return_within_ms": sent.return_within_ms,
        "age_ms": at_ms - sent.submitted_at,
        "rule": sent.rule,
        "severity": sent.severity,
        "source_offset": sent.offset,
        "is_withheld": order.is_withheld,
    }
    return row | _evidence(order)


def _evidence(order: Order) -> Row:
    """What came for the order without closing it."""
    row: Row = {}
    if order.earlier is not None:
        row["earlier_attempt"] = order.earlier.attempt
    if order.interim is not None:
        row["interim_outcome"] = order.interim.outcome
        row["interim_code"] = order.interim.code
        row["interim_message"] = order.interim.message
        row["interim_count"] = order.interim.count
    if order.older is not None:
        row["older_attempt"] = order.older.attempt
        row["older_outcome"] = order.older.outcome
    if order.unreadable is not None:
        row["unreadable_returns"] = order.unreadable.count
    return row


def _held(held: Held, at_ms: int) -> Row:
    return {
        "state": HELD,
        "attempt": held.attempt or None,
        "provider": held.provider,
        "amount_minor": held.amount_minor,
        "currency": held.currency,
        "age_ms": at_ms - held.arrival_ms,
        "source_offset": held.offset,
        "outcome": held.outcome,
        "code": held.code,
        "returned_at": held.returned_at,
        "arrived_at": held.arrival_ms,
    }
