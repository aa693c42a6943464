"""The verdicts on one partition number within a stretch, from merged records on.

Owns which verdicts count, and what happens where the rules change. Knows no broker and no file.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from schemas.alerts import Alert
from schemas.deadletters import DeadLetter
from streams.core import compiled
from streams.core.closed import Closed
from streams.core.decisions import Decision, Place
from streams.core.rules import Policy
from streams.core.sequence import Entry
from streams.core.tracker import Tracker
from streams.investigate.stretch import Portion
from streams.state.changelog import State

OVERDUE_ORDERS_MAX: Final = 5_000  # Settled at once; their alerts are handed on together.
NEVER_AGAIN_MS: Final = 2**62

Tell = Callable[[list[Alert]], None]


class Account(Protocol):
    """Who keeps an account of the orders: is told of each part that it makes of a step."""

    def parts(
        self, entries: Sequence[Entry], find_closed: Callable[[bytes, int], Closed | None]
    ) -> Iterator[Sequence[Entry]]: ...

    def note(
        self,
        entries: Sequence[Entry],
        alerts: Sequence[Alert],
        *,
        orders: Mapping[bytes, bytes],
        changes: tuple[compiled.AnyPairs, bytes],
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Timeline:
    """The policy that verdicts are made by at first, and the frontiers from which on another is,
    as a worker that is stopped and started with other rules has it."""

    first: Policy
    later: tuple[tuple[int, Policy], ...] = ()


@dataclass(slots=True)
class Judge:
    """Tells the alerts that take effect in the stretch, by their time; of an order in its order."""

    place: Place
    portion: Portion
    timeline: Timeline
    tell: Tell
    state: State | None = None  # To go on from; else nothing is open at first.
    account: Account | None = None
    tracker: Tracker = field(init=False)
    dead_letters: int = 0
    _waiting: list[Alert] = field(default_factory=list)
    _step: list[Alert] = field(default_factory=list)  # All that was told since the account was.
    _counts: Counter[str] = field(default_factory=Counter)  # Of trackers before a change of rules.
    _switches: list[tuple[int, Policy]] = field(init=False)

    def __post_init__(self) -> None:
        self.tracker = Tracker(self.place, self.timeline.first, self.portion.history)
        self._switches = list(self.timeline.later)
        if self.state is not None:
            book = self.tracker.book
            for _, segment in sorted(self.state.segments.items()):
                book.restore_segment(segment)
            book.restore_orders(self.state.orders)
            self.state = None  # The book has it now.

    @property
    def next_switch_ms(self) -> int:
        """The frontier at which the rules change next: a step must not pass it."""
        return self._switches[0][0] if self._switches else NEVER_AGAIN_MS

    @property
    def counts(self) -> Counter[str]:
        """What the trackers counted."""
        return self._counts + self.tracker.counts

    def work(self, entries: Sequence[Entry], frontier_ms: int) -> None:
        """Judge the next records, and the timers up to the frontier."""
        if self.account is None:
            self._sort_out(self.tracker.apply(entries) if entries else [])
            self._advance(frontier_ms)
            self.tracker.book.forget_changes()
        else:
            for part in self.account.parts(entries, self._find_closed):
                self._advance(part[0][0])
                if self.tracker.book.has_changes():  # An order forgotten now may open anew in it.
                    self._note(self.account, ())
                self._sort_out(self.tracker.apply(part))
                self._note(self.account, part)
            self._advance(frontier_ms)
            self._note(self.account, ())
        self._hand_on(self.portion.to_ms)
        if frontier_ms >= self.next_switch_ms:
            self._change_to(self._switches.pop(0)[1])

    def _find_closed(self, key: bytes, arrival_ms: int) -> Closed | None:
        return self.tracker.book.find_closed(key, arrival_ms)

    def _advance(self, to_ms: int) -> None:
        tracker = self.tracker
        self._sort_out(tracker.advance(to_ms, OVERDUE_ORDERS_MAX))
        while tracker.is_overdue:
            next_ms = tracker.book.timers.next_ms()
            self._hand_on(to_ms if next_ms is None else next_ms)
            self._sort_out(tracker.advance(to_ms, OVERDUE_ORDERS_MAX))

    def _note(self, account: Account, entries: Sequence[Entry]) -> None:
        book = self.tracker.book
        changes = book.take_changes()
        account.note(entries, self._step, orders=book.orders, changes=changes)
        self._step.clear()

    def _sort_out(self, told: list[Decision]) -> None:
        from_ms, to_ms = self.portion.from_ms, self.portion.to_ms
        for decision in told:
            if isinstance(decision, DeadLetter):
                timestamp_ms = decision.unreadable.record.timestamp_ms
                self.dead_letters += from_ms <= timestamp_ms < to_ms
                continue
            if from_ms <= decision.effect_ms < to_ms:
                self._waiting.append(decision)
            if self.account is not None:
                self._step.append(decision)

    def _hand_on(self, before_ms: int) -> None:
        """Tell what takes effect before then; what is left may still be preceded by more."""
        if self._waiting:
            self._waiting.sort(key=_by_effect)  # Stable: of an order in its order.
            count = bisect_left(self._waiting, (before_ms, ""), key=_by_effect)
            ready, self._waiting = self._waiting[:count], self._waiting[count:]
            self.tell(ready)

    def _change_to(self, policy: Policy) -> None:
        """As a worker does that is started anew with other rules: orders keep their deadline."""
        before = self.tracker
        self._counts += before.counts
        self.tracker = Tracker(self.place, policy, self.portion.history)
        closed = sorted(before.book.closed, key=lambda found: found[1].closed_at_ms)
        for hashed, closing in closed:
            self.tracker.book.closed.add(hashed, closing)
        self.tracker.book.restore_orders(before.book.orders)


def _by_effect(alert: Alert) -> tuple[int, str]:
    return alert.effect_ms, alert.order_id
