"""What happened in each second of arrival time, counted by provider, merchant and kind.

A function of the log alone: what the tracker notes is put into the second it took effect in, in
any order, and a second is closed when the frontier has passed it. Of seconds that are not closed
a checkpoint keeps the counts; how much is open comes from the orders themselves.
"""

from collections.abc import Iterable
from typing import Any, Final

from schemas.events import Submission
from schemas.stats import (
    Money,
    SecondJson,
    Stats,
    StatsJson,
    StatsRow,
    delay_bucket,
    encode_stats,
    read_stats,
)
from streams.core import compiled, notes
from streams.core.gauges import Gauges, Scope, put_money
from streams.core.notes import Note, Notes
from streams.core.orders import State
from streams.core.rows import first_ids, named_in, put_dead_letter
from streams.core.seconds import RowCounter, Scopes, Second, count_code, count_outcome
from streams.core.stakes import counted, stake_of

FACES_MAX: Final = 20_000  # Scopes and currencies, or cards, that are known: under 1 KB each.
ROWS_A_RECORD_MAX: Final = 1_500  # At some 200 bytes a row well within what a broker takes.

# What is noted of an order that was open or overdue and is so no longer.
_MOVES: Final = frozenset(
    {
        notes.ANSWERED,
        notes.TIMED_OUT,
        notes.LATE,
        notes.LATE_OPEN,
        notes.LATE_GONE,
        notes.GONE,
        notes.FORGOTTEN,
    }
)

Closed = tuple[int, int, SecondJson]  # The second, how many rows it has, its JSON.
Stake = tuple[int, int, Scope, str | None]  # Submitted at ms, amount, scope, currency.


class Tally:
    """The counts of one partition number; the tracker fills `notes`."""

    def __init__(self, partition: int) -> None:
        self.told_s = 0  # Of every second before it, all rows were handed out.
        self._partition = partition
        self._open: dict[int, Second] = {}  # Those that are not closed, by their number.
        self._changed: set[int] = set()  # Of these, since the last checkpoint; closed ones too.
        self._kept: set[int] = set()  # Which seconds the checkpoint holds.
        self._closed: list[Closed] = []
        self._gauges = Gauges()  # At the end of the newest closed second.
        self._complete_s = 0
        self._scopes = Scopes()
        in_c = compiled.counter_of(self._second_at)
        by_row = RowCounter(self._second_at, self._scopes.of)
        self._teller = compiled.teller_of(in_c)
        self._counter = by_row if in_c is None else in_c
        self.notes = Notes(self._counter.note_opened, self._counter.note_answered, in_c)

    @property
    def has_rows(self) -> bool:
        """Whether closed seconds wait to be handed out."""
        return bool(self._closed)

    def restore(self, kept: dict[int, bytes], orders: Iterable[bytes]) -> None:
        """Go on from a checkpoint: what it kept of seconds, and its orders in packed form."""
        self._gauges.add_orders(orders, self._scopes.of)
        for second_s, value in kept.items():
            rows = _rows_of(value)
            self._open[second_s] = Second(rows)
            self._kept.add(second_s)
            for scope, row in rows.items():
                self._gauges.take_back(scope, row)

    def count(self) -> None:
        """Put what was noted into its seconds."""
        others, self.notes.others = self.notes.others, []
        for note in others:
            self._count_other(self._second(note[0]), note)

    def pass_to(self, settled_ms: int) -> None:
        """Everything that takes effect before `settled_ms` is counted: close the seconds before.

        A record may still be worked as if it had arrived at the last ms before the frontier, so
        a second is closed once there is a whole ms behind it."""
        complete_s = (settled_ms - 1) // 1000
        if complete_s <= self._complete_s:
            return
        self._complete_s = complete_s
        self._counter.turn_away()
        for second_s in sorted(self._open):
            if second_s >= complete_s:
                break
            self._close(second_s, self._open.pop(second_s))
        if not self._closed:
            self.told_s = complete_s

    def take(self) -> tuple[list[StatsJson], dict[int, bytes | None]]:
        """For a checkpoint: the records to write, and what it has to keep of which second (None
        where it shall keep nothing more)."""
        closed, self._closed = self._closed, []
        self.told_s = self._complete_s
        changes: dict[int, bytes | None] = {}
        for second_s in sorted(self._changed):
            second = self._open.get(second_s)
            if second is not None:
                changes[second_s] = self._packed(second_s, second)
                self._kept.add(second_s)
            elif second_s in self._kept:
                changes[second_s] = None
                self._kept.remove(second_s)
        self._changed.clear()
        self._counter.turn_away()  # What is counted in it from now on is a change again.
        return self._records(closed), changes

    def _close(self, second_s: int, second: Second) -> None:
        self._changed.add(second_s)
        self._closed.append((second_s, *second.closed(second_s, self._gauges, self._teller)))

    def _packed(self, second_s: int, second: Second) -> bytes:
        return encode_stats(StatsJson(self._partition, 0, [second.kept(second_s, self._teller)]))

    def _records(self, closed: list[Closed]) -> list[StatsJson]:
        """Each of at most so many rows, unless one second alone has more."""
        records: list[StatsJson] = []
        rows = 0
        for second_s, count, second in closed:
            if not records or rows + count > ROWS_A_RECORD_MAX:
                records.append(StatsJson(self._partition, second_s))
                rows = 0
            rows += count
            records[-1].seconds.append(second)
            records[-1].complete_s = second_s + 1
        if records:
            records[-1].complete_s = self._complete_s
        return records

    # Counting.

    def _second(self, at_ms: int) -> Second:
        second_s = at_ms // 1000
        self._changed.add(second_s)
        second = self._open.get(second_s)
        if second is None:
            second = self._open[second_s] = Second({})
        return second

    def _second_at(self, at_ms: int) -> Second:
        """For the counter, which asks where another second begins."""
        if len(self._counter) >= FACES_MAX:
            for second in self._open.values():
                second.gathered()
            self._counter.let_go()
        return self._second(at_ms)

    def _stake(self, order: Any) -> Stake:
        if type(order) is bytes:
            submitted_at, amount, key, currency = stake_of(order)
            return submitted_at, amount, self._scopes.of(key), currency
        scope = (order.provider, order.merchant, order.kind)
        return order.submitted_at, counted(order.amount_minor), scope, order.currency

    def _count_other(self, second: Second, note: Note) -> None:
        _, what, about, order = note
        if what in _MOVES:  # Which most are.
            self._count_move(second, note)
        elif what == notes.OPENED:
            _count_submission(second, about)
        elif what in (notes.HELD, notes.CONFLICTING, notes.UNMATCHED):
            _count_of_return(second.row((about.provider, None, None)), note)
        elif what == notes.UNREADABLE:
            scope = named_in(about[1].record.value) if order is None else self._stake(order)[2]
            put_dead_letter(second.row(scope), *about)
        elif what == notes.INTERIM:
            is_known = order is not None and order[0] != State.HELD
            scope = self._stake(order)[2] if is_known else (about.provider, None, None)
            row = second.row(scope)
            count_outcome(row, about.outcome)
            count_code(row, about.code)
        else:
            assert what == notes.NOTHING, "a note is one of those"

    def _count_move(self, second: Second, note: Note) -> None:
        """An order that was open or overdue is so no longer."""
        at_ms, what, about, order = note
        submitted_at, amount, scope, currency = self._stake(order)
        row = second.row(scope)
        money = put_money(row, currency) if currency is not None else Money("")
        if what == notes.ANSWERED:
            bucket = delay_bucket(at_ms - submitted_at)
            row.delays[bucket] = row.delays.get(bucket, 0) + 1
            count_outcome(row, about.outcome)
            count_code(row, about.code)
        elif what == notes.TIMED_OUT:
            row.timed_out += 1
            row.overdue_orders += 1
            money.timed_out_minor += amount
            money.overdue_minor += amount
            row.timed_out_ids = first_ids(row.timed_out_ids, about.decode())
        elif what in (notes.LATE, notes.LATE_OPEN, notes.LATE_GONE):
            row.returned_late += 1
            money.returned_late_minor += amount
            count_code(row, about.code)
        if what in (notes.GONE, notes.LATE_OPEN):
            row.open_orders -= 1
        if what in (notes.FORGOTTEN, notes.LATE):
            row.overdue_orders -= 1
            money.overdue_minor -= amount
        elif what != notes.LATE_GONE:
            money.open_minor -= amount


def _count_submission(second: Second, submission: Submission) -> None:
    row = second.row((submission.provider, submission.merchant, submission.kind))
    row.submitted += 1
    if submission.currency is not None:
        put_money(row, submission.currency).open_minor += counted(submission.amount_minor)


def _count_of_return(row: StatsRow, note: Note) -> None:
    _, what, about, order = note
    if what == notes.HELD:
        row.held += 1
        count_code(row, about.code)
    elif what == notes.CONFLICTING:
        row.conflicting += 1
    else:
        row.unmatched += 1
        row.unmatched_ids = first_ids(row.unmatched_ids, order.decode())


def _rows_of(value: bytes) -> dict[Scope, StatsRow]:
    record = read_stats(value)
    assert isinstance(record, Stats), "a heartbeat is not kept"
    return {row.scope: row for second in record.seconds for row in second.rows}
