"""How the orders of a stretch ended: each submitted in it once, with its end and its money.

An order that is submitted anew after its end, as a newer attempt or once it was forgotten, counts
anew. Owns a file of rows, so that memory holds only the orders that have not ended.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

import orjson

from schemas.alerts import Alert
from schemas.codec import Event
from schemas.events import Submission
from schemas.records import SUBMITTED
from schemas.times import rfc3339
from streams.core import compiled
from streams.core.closed import HASH_BYTES, Closed, closing_ms, entries_of, order_hash
from streams.core.orders import State
from streams.core.outcomes import FINAL_OUTCOMES
from streams.core.sequence import Entry
from streams.investigate.columns import Sheet
from streams.investigate.stretch import Portion

IN_TIME: Final = "in time"
LATE: Final = "late"
TIMED_OUT: Final = "timed out"
UNDECIDED: Final = "undecided"
ENDS: Final = (
    *((IN_TIME, outcome) for outcome in FINAL_OUTCOMES),
    *((LATE, outcome) for outcome in FINAL_OUTCOMES),
    (TIMED_OUT, None),
    (UNDECIDED, None),
)
NAMED_MAX: Final = 10  # Undecided orders that are named for people.
SHEET: Final = Sheet(
    columns=(
        *("order_id", "attempt", "partition", "offset", "kind", "provider", "merchant", "player"),
        *("amount_minor", "currency", "submitted_at", "arrived_at", "end", "outcome", "ended_at"),
    ),
    times=("submitted_at", "arrived_at", "ended_at"),
    integers=("attempt", "partition", "offset", "amount_minor"),
)

FindClosed = Callable[[bytes, int], Closed | None]  # Of an order, by who meets it at a time in ms.
End = tuple[str, str | None]  # How, and the outcome if there is one.


@dataclass(slots=True)
class Totals:
    """Orders and money by end, and the first orders that are undecided."""

    orders: Counter[End] = field(default_factory=Counter)
    money: Counter[tuple[End, str]] = field(default_factory=Counter)
    undecided: list[str] = field(default_factory=list)

    def add(self, end: End, submission: Submission) -> None:
        """One more order has ended so."""
        self.orders[end] += 1
        if submission.currency is not None:
            self.money[end, submission.currency] += submission.amount_minor or 0
        if end[0] == UNDECIDED and len(self.undecided) < NAMED_MAX:
            self.undecided.append(submission.order_id)


@dataclass(slots=True)
class _Pending:
    submission: Submission  # Of the newest attempt.
    offset: int
    arrival_ms: int
    timed_out_ms: int | None = None

    @property
    def attempt(self) -> int:
        return self.submission.attempt or 1


@dataclass(slots=True)
class Statement:
    """Of one partition number; `note` is called after each of the parts that it makes."""

    portion: Portion
    totals: Totals
    file: IO[bytes]
    _pending: dict[bytes, _Pending] = field(default_factory=dict)  # By the hash of the order.
    _duplicates: set[int] = field(default_factory=set)  # Offsets of the part that is being made.

    def parts(self, entries: Sequence[Entry], find_closed: FindClosed) -> Iterator[Sequence[Entry]]:
        """The records of a step, cut before each submission of an order that is pending or has a
        record in the same part: so a part has one life of an order at most, and what `find_closed`
        says of an order when its submission comes is how it stands before that."""
        begin, seen = 0, set[bytes]()
        for at, (arrival_ms, side, offset, event, record, _) in enumerate(entries):
            key = record.key
            if key is None:
                continue
            if side == SUBMITTED:
                if at > begin and (key in seen or order_hash(key) in self._pending):
                    yield entries[begin:at]
                    begin, seen = at, set()
                if _is_duplicate(event, find_closed(key, arrival_ms)):
                    self._duplicates.add(offset)
            seen.add(key)
        if begin < len(entries):
            yield entries[begin:]

    def note(
        self,
        entries: Sequence[Entry],
        alerts: Iterable[Alert],
        *,
        orders: Mapping[bytes, bytes],
        changes: tuple[compiled.AnyPairs, bytes],
    ) -> None:
        """What a part was made of: its records, what was told, the orders kept now, and what the
        book says has changed."""
        fresh = self._submitted(entries)
        if entries:  # Else what was told before the part whose duplicates these are.
            self._duplicates.clear()
        late = self._told(alerts)
        changed, closings = changes
        for entry in entries_of(closings):
            self._closed(entry, late)
        for key, packed in dict(changed).items():
            if not _is_kept(packed) and (hashed := order_hash(key)) not in fresh:
                self._forgotten(hashed)
        for hashed in fresh:
            pending = self._pending.get(hashed)
            if pending is None or _is_kept(orders.get(pending.submission.order_id.encode())):
                continue
            if pending.timed_out_ms is None and pending.arrival_ms >= self._told_from_ms:
                del self._pending[hashed]  # A duplicate of an order that had ended.
            else:
                self._forgotten(hashed)

    def finish(self, orders: Mapping[bytes, bytes]) -> None:
        """At the end of the stretch, what has not ended is undecided, or has timed out."""
        for hashed in list(self._pending):
            pending = self._pending.pop(hashed)
            packed = orders.get(pending.submission.order_id.encode())
            is_open = packed is not None and packed[0] == State.OPEN
            end = (UNDECIDED if is_open else TIMED_OUT, None)
            self._end(pending, end, None if is_open else pending.timed_out_ms)

    @property
    def _told_from_ms(self) -> int:
        """Time-outs of orders that opened before are not told."""
        return self.portion.history.withheld_until_ms()

    def _submitted(self, entries: Sequence[Entry]) -> set[bytes]:
        """The hashes of the orders that may have opened."""
        from_ms, fresh = self.portion.from_ms, set[bytes]()
        for arrival_ms, side, offset, event, record, _ in entries:
            if side != SUBMITTED or arrival_ms < from_ms or not isinstance(event, Submission):
                continue
            if offset in self._duplicates:  # Of an order that had ended.
                continue
            hashed = order_hash(record.key or b"")
            pending = self._pending.get(hashed)
            if pending is None:
                self._pending[hashed] = _Pending(event, offset, arrival_ms)
                fresh.add(hashed)
            elif (event.attempt or 1) > pending.attempt:
                pending.submission, pending.offset = event, offset
        return fresh

    def _told(self, alerts: Iterable[Alert]) -> set[tuple[bytes, int]]:
        """Notes time-outs; gives what returned late, and when."""
        late = set()
        for alert in alerts:
            if alert.type == "returned_late":
                late.add((order_hash(alert.order_id.encode()), alert.effect_ms))
            elif alert.type == "timed_out":
                pending = self._pending.get(order_hash(alert.order_id.encode()))
                if pending is not None and pending.arrival_ms <= alert.effect_ms:
                    pending.timed_out_ms = alert.effect_ms
        return late

    def _closed(self, entry: bytes, late: set[tuple[bytes, int]]) -> None:
        hashed, attempt, outcome = entry[:HASH_BYTES], entry[HASH_BYTES], entry[HASH_BYTES + 1]
        pending, at_ms = self._pending.get(hashed), closing_ms(entry)
        if pending is None or at_ms < pending.arrival_ms or attempt < pending.attempt:
            return
        del self._pending[hashed]
        how = LATE if (hashed, at_ms) in late else IN_TIME
        self._end(pending, (how, FINAL_OUTCOMES[outcome]), at_ms)

    def _forgotten(self, hashed: bytes) -> None:
        pending = self._pending.pop(hashed, None)
        if pending is not None:
            self._end(pending, (TIMED_OUT, None), pending.timed_out_ms)

    def _end(self, pending: _Pending, end: End, ended_ms: int | None) -> None:
        self.totals.add(end, pending.submission)
        row = self._row(pending) | {
            "end": end[0],
            "outcome": end[1],
            "ended_at": None if ended_ms is None else rfc3339(ended_ms),
        }
        self.file.write(orjson.dumps(row) + b"\n")

    def _row(self, pending: _Pending) -> dict[str, Any]:
        sent = pending.submission
        return {
            "order_id": sent.order_id,
            "attempt": pending.attempt,
            "partition": self.portion.partition,
            "offset": pending.offset,
            "kind": sent.kind,
            "provider": sent.provider,
            "merchant": sent.merchant,
            "player": sent.player,
            "amount_minor": sent.amount_minor,
            "currency": sent.currency,
            "submitted_at": rfc3339(sent.submitted_at),
            "arrived_at": rfc3339(pending.arrival_ms),
        }


def _is_duplicate(event: Event, closed: Closed | None) -> bool:
    """Of an order that was closed so."""
    if closed is None or not isinstance(event, Submission):
        return False
    return (event.attempt or 1) <= closed.attempt


def _is_kept(packed: bytes | None) -> bool:
    """Whether it is an open or a timed-out order; a return that is held is none."""
    return packed is not None and packed[0] != State.HELD
