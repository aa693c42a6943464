"""The tally of a simulated history without codec, sequence and tracker: what they would have
noted of each order is written down directly. A test holds the rows against the real ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from schemas.codec import read_return, read_submission
from schemas.events import Return, Submission
from schemas.incidents import Incident
from schemas.records import RETURNED, SUBMITTED, Record
from schemas.stats import StatsRecord, encode_stats, read_stats
from streams.code_classes import code_classes
from streams.core import notes
from streams.core.incidents.desk import Desk
from streams.core.incidents.rollcall import Rollcall
from streams.core.notes import Notes
from streams.core.packing import pack_fresh
from streams.core.stats import Tally
from streams.demo.misfortunes import Answer, Order
from streams.demo.simulator import History, SimRecord, orders, records_of

HOLD_MS: Final = 60_000
REMEMBER_MS: Final = 600_000


@dataclass(frozen=True)
class Told:
    """What a worker would have written at `now_ms`, and up to which second that is all."""

    now_ms: int
    records: list[StatsRecord]
    complete_s: int


class Watcher:
    """A roll call and a desk behind it; what it takes is all that there is in the log so far."""

    def __init__(self, desk: Desk | None = None) -> None:
        self.rollcall = Rollcall()
        self.desk = desk or Desk(code_classes())

    def take(self, record: StatsRecord, at_ms: int) -> list[Incident]:
        """What the next record of a partition number leads to, and who is absent."""
        called = self.rollcall.take(record, at_ms)
        for partition, number in self.rollcall.unheard().items():
            called += self.rollcall.absent(partition, number)
        return [incident for it in called for incident in self.desk.take(it)]


def told(history: History, every_s: int) -> Iterator[Told]:
    """The records of order-stats of a history, written each so many seconds."""
    tally = Tally(0)
    write = Notary(history.return_within_ms, tally.notes).write
    next_ms = history.start_ms + every_s * 1000
    for order in orders(history):
        while order.sent_ms >= next_ms:
            yield _written(tally, next_ms)
            next_ms += every_s * 1000
        write(order)
    end_ms = history.start_ms + history.seconds * 1000
    while next_ms <= end_ms:
        yield _written(tally, next_ms)
        next_ms += every_s * 1000


def _written(tally: Tally, now_ms: int) -> Told:
    tally.count()
    tally.pass_to(now_ms)
    records = [read_stats(encode_stats(record)) for record in tally.take()[0]]
    return Told(now_ms, records, tally.told_s)


class Notary:
    """Notes what becomes of orders."""

    def __init__(self, within_ms: int, into: Notes) -> None:
        self._within_ms = within_ms
        self._notes = into

    def write(self, order: Order) -> None:
        """Note an order and its copies."""
        for copy in range(order.copies):
            self._write_one(order, order.id_of(copy))

    def _write_one(self, order: Order, order_id: str) -> None:
        note, sent_ms = self._notes.others.append, order.sent_ms
        deadline_ms = sent_ms + self._within_ms
        if order.spoiled:
            self._unreadable(order, order_id)
            return
        submission = Submission(
            order_id,
            sent_ms,
            None,
            None,
            order.kind,
            order.provider,
            order.merchant,
            None,
            order.amount_minor,
            order.currency,
        )
        note((sent_ms, notes.OPENED, submission, None))
        final_ms = None
        for answer in order.answers:
            final = self._answer(order, answer, order_id, submission=submission)
            if final is not None:
                final_ms = final
        if final_ms is None or final_ms > deadline_ms:
            note((deadline_ms, notes.TIMED_OUT, order_id.encode(), submission))
            if final_ms is None or final_ms > deadline_ms + REMEMBER_MS:
                note((deadline_ms + REMEMBER_MS, notes.FORGOTTEN, None, submission))

    def _answer(
        self, order: Order, answer: Answer, order_id: str, *, submission: Submission
    ) -> int | None:
        """Note a return; its time if it answers the order for good."""
        note, back_id = self._notes.others.append, answer.id_of(order_id)
        deadline_ms = order.sent_ms + self._within_ms
        returned = Return(back_id, answer.at_ms, answer.outcome, None, answer.code)
        returned.provider = order.provider
        if answer.spoiled:
            event = _read(order, order_id, RETURNED)
            note((answer.at_ms, notes.UNREADABLE, (RETURNED, event), submission))
        elif back_id != order_id:
            note((answer.at_ms, notes.HELD, returned, None))
            note((answer.at_ms + HOLD_MS, notes.UNMATCHED, returned, back_id.encode()))
        elif answer.outcome == "error":
            terms = ("default", self._within_ms, "info")
            packed = pack_fresh(submission, 0, terms, effect_ms=deadline_ms)
            note((answer.at_ms, notes.INTERIM, returned, packed))
        else:
            is_late = answer.at_ms > deadline_ms
            note((answer.at_ms, notes.LATE if is_late else notes.ANSWERED, returned, submission))
            return answer.at_ms
        return None

    def _unreadable(self, order: Order, order_id: str) -> None:
        note = self._notes.others.append
        event = _read(order, order_id, SUBMITTED)
        note((order.sent_ms, notes.UNREADABLE, (SUBMITTED, event), None))
        for answer in order.answers:
            returned = Return(order_id, answer.at_ms, answer.outcome, None, answer.code)
            returned.provider = order.provider
            note((answer.at_ms, notes.HELD, returned, None))
            note((answer.at_ms + HOLD_MS, notes.UNMATCHED, returned, order_id.encode()))


def _read(order: Order, order_id: str, side: int) -> Any:
    """What the codec makes of its record."""
    found = next(it for it in records_of(order) if it.side == side)
    return read(found)


def read(record: SimRecord, offset: int = 0) -> Any:
    """What the codec makes of a record."""
    reader = read_submission if record.side == SUBMITTED else read_return
    return reader(Record(offset, record.at_ms, record.key, record.value, ()))
