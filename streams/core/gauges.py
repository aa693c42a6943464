"""How much is open and overdue in each scope, at the end of a second.

Holds a scope only while it has open or overdue orders, so at most as many as there are orders.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from schemas.stats import Money, StatsRow
from streams.core.orders import State
from streams.core.packing import Has
from streams.core.stakes import stake_of

SCOPES_REMEMBERED_MAX: Final = 20_000  # With what they are sorted by.

_ABSENT: Final = "\0"

Scope = tuple[str | None, str | None, str | None]  # Provider, merchant, kind.


class Gauges:
    """Open orders, overdue orders and their money, by scope."""

    def __init__(self) -> None:
        self.at: dict[Scope, StatsRow] = {}

    def add_orders(self, orders: Iterable[bytes], scope: Callable[[bytes], Scope]) -> None:
        """Count orders that were restored, in packed form."""
        for packed in orders:
            if packed[0] == State.HELD:
                continue
            is_open = packed[0] == State.OPEN
            if not is_open and packed[2] & Has.WITHHELD:
                continue
            _, amount, key, currency = stake_of(packed)
            gauge = self.of(scope(key))
            if is_open:
                gauge.open_orders += 1
            else:
                gauge.overdue_orders += 1
            if currency is not None and is_open:
                put_money(gauge, currency).open_minor += amount
            elif currency is not None:
                put_money(gauge, currency).overdue_minor += amount

    def take_back(self, scope: Scope, row: StatsRow) -> None:
        """Undo what a second that is not closed has changed; its row holds changes."""
        gauge = self.of(scope)
        gauge.open_orders -= open_change(row)
        gauge.overdue_orders -= row.overdue_orders
        for money in row.money:
            of = put_money(gauge, money.currency)
            of.open_minor -= money.open_minor
            of.overdue_minor -= money.overdue_minor

    def settle(self, rows: dict[Scope, StatsRow]) -> None:
        """Close a second: its rows held changes, and hold from now on what stands at its end."""
        for scope, row in rows.items():
            gauge = self.of(scope)
            gauge.open_orders = row.open_orders = gauge.open_orders + open_change(row)
            gauge.overdue_orders = row.overdue_orders = gauge.overdue_orders + row.overdue_orders
            for money in row.money:
                of = put_money(gauge, money.currency)
                of.open_minor = money.open_minor = of.open_minor + money.open_minor
                of.overdue_minor = money.overdue_minor = of.overdue_minor + money.overdue_minor
            if not gauge.open_orders and not gauge.overdue_orders:
                self.drop(scope)

    def drop(self, scope: Scope) -> None:
        """Of a scope in which nothing is open or overdue nothing is kept."""
        del self.at[scope]

    def of(self, scope: Scope) -> StatsRow:
        """What is open and overdue in a scope."""
        gauge = self.at.get(scope)
        if gauge is None:
            gauge = self.at[scope] = StatsRow(*scope)
        return gauge


@lru_cache(maxsize=SCOPES_REMEMBERED_MAX)
def by_scope(scope: Scope) -> str:
    """To sort scopes by, name by name, an absent one first: as one text that is no other's
    beginning, because texts compare more quickly than tuples."""
    return "".join(_ABSENT if name is None else f"\1{_escaped(name)}\0\0" for name in scope)


def open_change(row: StatsRow) -> int:
    """By how much the open orders of a second that is not closed have changed."""
    answered = row.accepted + row.rejected + row.cancelled
    return row.submitted - answered - row.timed_out + row.open_orders


def put_money(row: StatsRow, currency: str) -> Money:
    """The money of a currency in a row, made if there is none."""
    for money in row.money:
        if money.currency == currency:
            return money
    row.money.append(Money(currency))
    return row.money[-1]


def _escaped(name: str) -> str:
    return name.replace("\0", "\0\1")
