"""The counts of one second, and what counts orders in packed form in them.

Most orders share their texts with many others, and these stand at the end of the packed form: the
bytes from there, the order's card, find the cell that it is counted in.
"""

from collections.abc import Callable
from typing import Final

from schemas.events import Return
from schemas.stats import Money, SecondJson, StatsRow, StatsSecond, delay_bucket, encode_second
from streams.core import compiled
from streams.core.gauges import Gauges, Scope, by_scope, put_money
from streams.core.packing import ABSENT
from streams.core.rows import folded, trimmed
from streams.core.stakes import (
    CARD_AT,
    PLAYER_AT,
    SENT_MS_AT,
    TRACE_AT,
    counted,
    scope_of,
    sent_and_amount,
    stake_of,
)

REMEMBERED_MAX: Final = 20_000  # Of scopes, by their packed texts, and of cards.
_BUCKETS: Final = [delay_bucket(delay_ms) for delay_ms in range(65_536)]

Closed = tuple[int, SecondJson]  # How many rows a second has, and its JSON.


class Cell:
    """Where orders with one card are counted in one second: the row of their scope, and the money
    of their currency in it."""

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


class Second:
    """A row for each scope with counts. What is opened and answered comes to it through cells; the
    compiled ones hold it until they are flushed."""

    __slots__ = ("cells", "counted", "rows")

    def __init__(self, rows: dict[Scope, StatsRow]) -> None:
        self.rows = rows
        self.cells: dict[bytes, Cell] = {}  # By card.
        self.counted = compiled.cells.Cells() if compiled.is_there() else None

    def row(self, scope: Scope) -> StatsRow:
        """The row of a scope, made if there is none."""
        row = self.rows.get(scope)
        if row is None:
            row = self.rows[scope] = StatsRow(*scope)
        return row

    def gathered(self) -> dict[Scope, StatsRow]:
        """The rows with everything that was counted."""
        if self.counted is not None:
            self.counted.flush(self)
        return self.rows

    def closed(
        self, second_s: int, gauges: Gauges, teller: "compiled.rows.Teller | None"
    ) -> Closed:
        """The second at its end, which is told as this; the gauges stand there from now on."""
        told = None if teller is None else teller.closed(second_s, self, gauges)
        if told is not None:
            return told[0], SecondJson(told[1])
        rows = self.gathered()
        gauges.settle(rows)
        in_order = [trimmed(row) for row in folded(rows)]
        return len(in_order), encode_second(StatsSecond(second_s, in_order))

    def kept(self, second_s: int, teller: "compiled.rows.Teller | None") -> SecondJson:
        """What a checkpoint keeps of it before its end: its rows hold changes."""
        if teller is not None:
            return SecondJson(teller.kept(second_s, self))
        rows = self.gathered()
        in_order = [rows[scope] for scope in sorted(rows, key=by_scope)]
        return encode_second(StatsSecond(second_s, in_order))


class RowCounter:
    """Counts orders in the second that it last turned to; where the compiled counter is, nobody
    needs it."""

    def __init__(
        self, second_at: Callable[[int], Second], scope_of: Callable[[bytes], Scope]
    ) -> None:
        self._second_at = second_at
        self._scope_of = scope_of
        self._faces: dict[bytes, tuple[Scope, str | None]] = {}  # Scope and currency, by card.
        self._now = Second({})
        self._now_s: int | None = None

    def __len__(self) -> int:
        """How many cards it knows."""
        return len(self._faces)

    def turn_away(self) -> None:
        """Ask anew for the second of the next order."""
        self._now_s = None

    def let_go(self) -> None:
        """Forget all cards."""
        self._faces.clear()

    def note_opened(self, at_ms: int, amount: int, packed: bytes, /) -> None:
        """An order of so much was opened, which stands there in packed form."""
        self._cell(at_ms, packed).opened(amount)

    def note_answered(self, at_ms: int, returned: Return, packed: bytes, /) -> None:
        """The order that stands there was answered in time."""
        submitted_at, amount = sent_and_amount(packed, SENT_MS_AT)
        self._cell(at_ms, packed).answered(returned, at_ms - submitted_at, amount)

    def _cell(self, at_ms: int, packed: bytes) -> Cell:
        if at_ms // 1000 != self._now_s:  # Most fall into the second of the one before.
            self._now, self._now_s = self._second_at(at_ms), at_ms // 1000
        return self._now.cells.get(packed[CARD_AT:]) or self._new_cell(self._now, packed)

    def _new_cell(self, second: Second, packed: bytes) -> Cell:
        """Kept for the next order with the same card, which is for few that name somebody."""
        card = packed[CARD_AT:]
        is_shared = packed[PLAYER_AT] == packed[TRACE_AT] == ABSENT
        face = self._faces.get(card)
        if face is None:
            _, _, key, currency = stake_of(packed)
            face = (self._scope_of(key), currency)
            if is_shared:
                self._faces[card] = face
        scope, currency = face
        row = second.row(scope)
        cell = Cell(row, Money("") if currency is None else put_money(row, currency))
        if is_shared:
            second.cells[card] = cell
        return cell


class Scopes:
    """Remembers which scope packed texts stand for."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, Scope] = {}

    def of(self, key: bytes) -> Scope:
        """The scope of what `stake_of` gives."""
        scope = self._by_key.get(key)
        if scope is None:
            if len(self._by_key) >= REMEMBERED_MAX:
                self._by_key.clear()
            scope = self._by_key[key] = scope_of(key)
        return scope


def count_outcome(row: StatsRow, outcome: str) -> None:
    """One more return with this outcome."""
    setattr(row, outcome, getattr(row, outcome) + 1)


def count_code(row: StatsRow, code: str | None) -> None:
    """One more return with this code, if it has one."""
    if code is not None:
        row.codes[code] = row.codes.get(code, 0) + 1
