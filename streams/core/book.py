"""The orders of one partition number as they stand, and what changed since the last checkpoint.

Owns the state, not the verdicts: which orders are open, timed out or held, which closed ones are
remembered, when which may be due.
"""

from collections.abc import Mapping
from typing import Final

from schemas.events import Return
from streams.core import compiled
from streams.core.closed import Closed, ClosedOrders, closing_ms, entries_of, order_hash
from streams.core.kept import Orders
from streams.core.orders import Held, Order, Sent, State, interim_again, unreadable_again
from streams.core.packing import effect_of, pack, unpack, withheld
from streams.core.timers import Timers

# Hints of orders that were answered stay until their deadline, each with its key. With so many more
# than orders they are looked through, so that long deadlines do not fill the memory: so many with
# each checkpoint, which is more than are added, and no more, because nothing else goes on meanwhile
# (making the whole index anew took 2 s of a million open orders).
HINTS_SPARE: Final = 20_000
HINTS_SWEPT_MAX: Final = 100_000


class Book:
    """Orders by key (their id in UTF-8), in packed form."""

    def __init__(self, remember_ms: int) -> None:
        self.orders, self.timers = compiled.kept() or self._kept()
        self.closed = ClosedOrders(remember_ms)
        # How many are in each state; of the open ones nobody counts, they are the rest.
        self._by_state = [0] * (max(State) + 1)
        self.closings = bytearray()  # The segment to be: an entry for each order closed.

    def open(self, key: bytes, packed: bytes, effect_ms: int) -> None:
        """Keep a fresh open order, of which nothing is kept yet, in packed form."""
        self.orders.put(key, packed)
        self.timers.add(effect_ms, key)

    def keep(self, key: bytes, order: Order | Held, effect_ms: int) -> None:
        """Keep an order as it is now, its next timer taking effect at `effect_ms`."""
        before = self.orders.get(key)
        order.effect_ms = effect_ms
        self._put(key, pack(order))
        if before is None or effect_of(before) != effect_ms:
            self.timers.add(effect_ms, key)

    def keep_interim(self, key: bytes, returned: Return) -> None:
        """Note an interim return with its order, where it is open or timed out as that attempt."""
        order = self._order(key)
        if order is not None and returned.attempt in (None, order.sent.attempt):
            order.interim = interim_again(order.interim, returned)
            self.keep(key, order, order.effect_ms)

    def keep_unreadable(self, key: bytes, offset: int, field: str) -> Sent | None:
        """Note a return that cannot be read with its order; gives the order's submission."""
        order = self._order(key)
        if order is None:
            return None
        order.unreadable = unreadable_again(order.unreadable, offset, field)
        self.keep(key, order, order.effect_ms)
        return order.sent

    def drop(self, key: bytes) -> None:
        """Forget an order; KeyError if it is not kept."""
        self._by_state[self.orders.take_out(key)[0]] -= 1

    def close(self, key: bytes, closed: Closed) -> None:
        """Remember an order as closed, whether it was kept or not."""
        if key in self.orders:
            self.drop(key)
        self.closings += self.closed.add(order_hash(key), closed)

    def close_open(self, key: bytes, attempt: int, outcome: int, *, at_ms: int) -> None:
        """The same for an open order, its outcome by its number."""
        self.orders.take_out(key)
        self.closings += self.closed.put(order_hash(key), attempt, outcome, at_ms=at_ms)

    def find_closed(self, key: bytes, arrival_ms: int) -> Closed | None:
        """The newest closing of an order that a record arriving then still meets."""
        return self.closed.find(order_hash(key), arrival_ms)

    def take_changes(self, prefix: bytes = b"") -> tuple[compiled.AnyPairs, bytes]:
        """What a checkpoint has to keep: orders that changed (None where one is gone that the
        last checkpoint holds), and the closed segment. The next call starts from here.

        Each key stands after the prefix; of two pairs with the same key the later one holds."""
        if self.timers.hints > 2 * len(self.orders) + HINTS_SPARE:
            self.timers.sweep(HINTS_SWEPT_MAX)
        closings, self.closings = self.closings, bytearray()
        return self.orders.take_changes(prefix), bytes(closings)

    def forget_changes(self) -> None:
        """Keep no account of what changed, for who writes no checkpoints."""
        if self.timers.hints > 2 * len(self.orders) + HINTS_SPARE:
            self.timers.rebuild(self.orders)
        self.orders.forget_changes()
        self.closings.clear()

    def has_changes(self) -> bool:
        """Whether a checkpoint would keep anything."""
        return self.orders.has_changes() or bool(self.closings)

    def withhold_open(self) -> list[bytes]:
        """Tell no time-out of the orders that are open now; their keys."""
        keys = [key for key, packed in self.orders.items() if packed[0] == State.OPEN]
        for key in keys:
            self.withhold(key)
        return keys

    def withhold(self, key: bytes) -> None:
        """Tell no time-out of this open order."""
        self._put(key, withheld(self.orders[key]))

    def restore_segment(self, segment: bytes) -> None:
        """Put back the closed orders of one segment; ValueError if it is cut."""
        for entry in entries_of(segment):
            self.closed.add_packed(entry, closing_ms(entry))

    def restore_orders(self, orders: Mapping[bytes, bytes]) -> None:
        """Put back orders in packed form, and build the index of deadlines anew."""
        self.orders.restore(orders)
        for packed in orders.values():
            self._by_state[packed[0]] += 1
        self.timers.rebuild(self.orders)

    def states(self) -> list[tuple[State, int]]:
        """How many orders are in each state."""
        rest = len(self.orders) - sum(self._by_state[State.OPEN + 1 :])
        return [(state, rest if state == State.OPEN else self._by_state[state]) for state in State]

    def overdue(self, now_ms: int, limit: int) -> tuple[int, int]:
        """Open orders whose deadline has taken effect before `now_ms` and that are not decided:
        how many, counted up to `limit`, and the earliest deadline's effect."""
        effects = [
            effect_of(packed)
            for key in self.timers.overdue(now_ms, limit)
            if (packed := self.orders[key])[0] == State.OPEN
        ]
        return len(effects), min(effects, default=now_ms)

    def _kept(self) -> tuple[compiled.AnyOrders, compiled.AnyTimers]:
        orders = Orders()
        return orders, Timers(self._effect_of, orders)

    def _order(self, key: bytes) -> Order | None:
        packed = self.orders.get(key)
        order = None if packed is None else unpack(packed)
        return order if isinstance(order, Order) else None

    def _put(self, key: bytes, packed: bytes) -> None:
        before = self.orders.get(key)
        if before is not None:
            self._by_state[before[0]] -= 1
        self._by_state[packed[0]] += 1
        self.orders.put(key, packed)

    def _effect_of(self, key: bytes) -> int | None:
        packed = self.orders.get(key)
        return None if packed is None else effect_of(packed)
