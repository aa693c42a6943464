"""The counts of one second, and the short way to them from an order in packed form.

Most orders share their texts with many others, and these stand at the end of the packed form: the
bytes from there, the order's card, find the cell that it is counted in.
"""

from typing import Final

from schemas.events import Return
from schemas.stats import Money, SecondJson, StatsRow, StatsSecond, delay_bucket, encode_second
from streams.core import compiled
from streams.core.gauges import Gauges, Scope, put_money
from streams.core.notes import Cell, Face
from streams.core.packing import ABSENT
from streams.core.rows import folded, trimmed
from streams.core.stakes import CARD_AT, PLAYER_AT, TRACE_AT, counted, scope_of, stake_of

REMEMBERED_MAX: Final = 20_000  # Of scopes, by their packed texts, and of cards.
_BUCKETS: Final = [delay_bucket(delay_ms) for delay_ms in range(65_536)]

Closed = tuple[int, SecondJson]  # How many rows a second has, and its JSON.


class RowCell:
    """Counts in a row at once; where compiled cells are, nobody needs it."""

    __slots__ = ("_money", "_row")

    def __init__(self, row: StatsRow, money: Money) -> None:
        self._row = row
        self._money = money

    def opened(self, amount: int) -> None:
        """An order of so much was opened."""
        self._row.submitted += 1
        self._money.open_minor += counted(amount)

    def answered(self, returned: Return, delay_ms: int, amount: int) -> None:
        """One of so much was answered in time, so long after it was submitted."""
        row = self._row
        self._money.open_minor -= counted(amount)
        bucket = _BUCKETS[delay_ms] if 0 <= delay_ms < 65_536 else delay_bucket(delay_ms)
        row.delays[bucket] = row.delays.get(bucket, 0) + 1
        if returned.outcome == "accepted":
            row.accepted += 1
        else:
            count_outcome(row, returned.outcome)
        if returned.code is not None:
            count_code(row, returned.code)

    def flush(self, row: StatsRow, money: Money) -> None:
        """Everything is in them already."""


class Second:
    """A row for each scope with counts; what is opened and answered comes to it through cells."""

    __slots__ = ("by_face", "cells", "no_money", "rows")

    def __init__(self, rows: dict[Scope, StatsRow]) -> None:
        self.rows = rows
        self.cells: dict[bytes, Cell] = {}  # By card.
        self.by_face: dict[Face, Cell] = {}
        self.no_money = Money("")  # What orders without an amount add to.

    def row(self, scope: Scope) -> StatsRow:
        """The row of a scope, made if there is none."""
        row = self.rows.get(scope)
        if row is None:
            row = self.rows[scope] = StatsRow(*scope)
        return row

    def cell(self, face: Face) -> Cell:
        """Where orders with this scope and currency are counted."""
        cell = self.by_face.get(face)
        if cell is None:
            cell = self.by_face[face] = self._new_cell(face)
        return cell

    def gathered(self) -> dict[Scope, StatsRow]:
        """The rows with everything that was counted."""
        for face in self.by_face:
            self.flush(face)
        return self.rows

    def flush(self, face: Face) -> None:
        """Move what a cell holds into its row."""
        row = self.row(face[0])
        money = self.no_money if face[1] is None else put_money(row, face[1])
        self.by_face[face].flush(row, money)

    def closed(self, second_s: int, gauges: Gauges) -> Closed:
        """The second at its end, which is told as this; the gauges stand there from now on."""
        if compiled.is_there():
            told = compiled.cells.closed(second_s, self, gauges)
            if told is not None:
                return told[0], SecondJson(told[1])
        rows = self.gathered()
        gauges.settle(rows)
        in_order = [trimmed(row) for row in folded(rows)]
        return len(in_order), encode_second(StatsSecond(second_s, in_order))

    def _new_cell(self, face: Face) -> Cell:
        if compiled.is_there():
            return compiled.cells.Cell(*face)
        row = self.row(face[0])
        return RowCell(row, self.no_money if face[1] is None else put_money(row, face[1]))


class Scopes:
    """Remembers which scope and currency packed texts stand for."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, Scope] = {}
        self.faces: dict[bytes, Face] = {}  # By card.

    def of(self, key: bytes) -> Scope:
        """The scope of what `stake_of` gives."""
        scope = self._by_key.get(key)
        if scope is None:
            if len(self._by_key) >= REMEMBERED_MAX:
                self._by_key.clear()
            scope = self._by_key[key] = scope_of(key)
        return scope

    def cell(self, second: Second, packed: bytes) -> Cell:
        """Where an order that nothing but its submission is kept of is counted; kept for the next
        one with the same card."""
        card = packed[CARD_AT:]
        face = self.faces.get(card)
        if face is None:
            _, _, key, currency = stake_of(packed)
            face = (self.of(key), currency)
            if not packed[PLAYER_AT] == packed[TRACE_AT] == ABSENT:
                return second.cell(face)  # Few orders have the same card.
            if len(self.faces) >= REMEMBERED_MAX:
                self.faces.clear()
            self.faces[card] = face
        cell = second.cells[card] = second.cell(face)
        return cell


def count_outcome(row: StatsRow, outcome: str) -> None:
    """One more return with this outcome."""
    setattr(row, outcome, getattr(row, outcome) + 1)


def count_code(row: StatsRow, code: str | None) -> None:
    """One more return with this code, if it has one."""
    if code is not None:
        row.codes[code] = row.codes.get(code, 0) + 1
