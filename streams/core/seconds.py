"""The counts of one second, and the short way to them from an order in packed form.

Most orders share their texts with many others, and these stand at the end of the packed form: the
bytes from there, the order's card, find the row and the money that it is counted in.
"""

from typing import Final

from schemas.stats import Money, StatsRow
from streams.core.gauges import Scope, put_money
from streams.core.notes import Cell
from streams.core.packing import ABSENT
from streams.core.stakes import CARD_AT, PLAYER_AT, TRACE_AT, scope_of, stake_of

REMEMBERED_MAX: Final = 20_000  # Of scopes, by their packed texts, and of cards.


class Second:
    """A row for each scope with counts; what is opened and answered adds to it through cells."""

    __slots__ = ("cells", "rows")

    def __init__(self, rows: dict[Scope, StatsRow]) -> None:
        self.rows = rows
        self.cells: dict[bytes, Cell] = {}  # By card.

    def row(self, scope: Scope) -> StatsRow:
        """The row of a scope, made if there is none."""
        row = self.rows.get(scope)
        if row is None:
            row = self.rows[scope] = StatsRow(*scope)
        return row


class Scopes:
    """Remembers which scope and currency packed texts stand for."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, Scope] = {}
        self._by_card: dict[bytes, tuple[Scope, str | None]] = {}
        self._no_money = Money("")  # What orders without an amount add to.

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
        found = self._by_card.get(card)
        if found is None:
            return self._read(second, packed)
        scope, currency = found
        cell = second.cells[card] = self._at(second, scope, currency)
        return cell

    def _read(self, second: Second, packed: bytes) -> Cell:
        _, _, key, currency = stake_of(packed)
        scope = self.of(key)
        if packed[PLAYER_AT] == packed[TRACE_AT] == ABSENT:  # Else few orders have the same.
            if len(self._by_card) >= REMEMBERED_MAX:
                self._by_card.clear()
            self._by_card[packed[CARD_AT:]] = scope, currency
        return self._at(second, scope, currency)

    def _at(self, second: Second, scope: Scope, currency: str | None) -> Cell:
        row = second.rows.get(scope)
        if row is None:
            row = second.rows[scope] = StatsRow(*scope)
        if currency is None:
            return row, self._no_money
        if row.money:
            return row, put_money(row, currency)
        money = Money(currency)
        row.money.append(money)
        return row, money
