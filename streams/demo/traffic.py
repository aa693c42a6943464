"""Simulated payment traffic: what becomes of each order, and what has to be said about it.

Pure: the same plan and start give the same events. Every event carries the verdict it has to lead
to, which is the ground truth that a demo's worker is held against. Knows no broker and no worker.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any, Final, NamedTuple

from schemas.records import RETURNED, SUBMITTED

DEAD_LETTER: Final = "dead_letter"  # Stands beside the types of the alerts.
ANSWER_MAX_MS: Final = 1_200  # After that an answer is lost or late.


class Fate(StrEnum):
    """What becomes of an order."""

    ANSWERED = "answered"
    LOST = "lost"
    LATE = "late"
    UNMATCHED = "unmatched"
    CONFLICTING = "conflicting"
    MALFORMED = "malformed"
    CUT_OFF = "in the outage"


# What has to be told about an order, in this order and nothing else.
VERDICTS: Final[dict[Fate, tuple[str, ...]]] = {
    Fate.ANSWERED: (),
    Fate.LOST: ("timed_out",),
    Fate.LATE: ("timed_out", "returned_late"),
    Fate.UNMATCHED: ("unmatched_return",),
    Fate.CONFLICTING: ("conflicting_return",),
    Fate.MALFORMED: (DEAD_LETTER,),
    Fate.CUT_OFF: ("timed_out",),
}
# A tenth of the orders fares badly, which gives some two alerts a second at 20 orders a second.
BLOCK: Final = (
    *(Fate.LOST,) * 2,
    Fate.LATE,
    Fate.UNMATCHED,
    Fate.CONFLICTING,
    Fate.MALFORMED,
    *(Fate.ANSWERED,) * 54,
)

_KINDS: Final = ("card", "wallet", "transfer", "payout")
_PROVIDERS: Final = ("acme", "northbank", "paywell", "quickcoin")
_MERCHANTS: Final = ("bakery", "bookshop", "cinema", "toyshop", "travels")
_CURRENCIES: Final = ("EUR", "GBP", "SEK", "USD")
_REFUSALS: Final = ("51", "RS_ERROR_NOT_ENOUGH_MONEY", "LIMIT_REACHED")
_PENDING_SHARE: Final = 0.15  # Of the orders, before their answer.
_PENDING_MS: Final = (50, 150)
_ANSWER_MS: Final = (200, 200)  # The fastest, and how much slower they are on average.
_LATE_BY_MS: Final = (700, 1_500)  # Far enough to be late on a slow machine, too.
_CONTRADICTED_MS: Final = (300, 1_000)

# One provider answers nothing for a while, in a run that is long enough to know before what is
# normal: then these of its orders get no answer.
BROKEN_PROVIDER: Final = "northbank"
POOR_PROVIDER: Final = "quickcoin"  # All other faults are in its orders, so that the rest is well.
OUTAGE_IN_RUNS_OF_S: Final = 24
OUTAGE_MAX_S: Final = 10
_CUT_OFF: Final = {Fate.ANSWERED, Fate.LATE, Fate.CONFLICTING}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much traffic, for how long, and the worker's terms that it plays with."""

    seconds: int
    orders_per_s: int
    seed: int
    return_within_ms: int
    hold_ms: int

    @property
    def outage_ms(self) -> range:
        """When the broken provider answers nothing, from the start; empty in a short run."""
        if self.seconds < OUTAGE_IN_RUNS_OF_S:
            return range(0)
        start_ms = self.seconds * 500
        return range(start_ms, start_ms + min(self.seconds * 250, OUTAGE_MAX_S * 1_000))


class Event(NamedTuple):
    """A record to be sent to a side at `due_ms`; the key is the order's id.

    It has to lead to the verdict `tells`, if any; whatever it leads to is due at `settled_ms`.
    """

    due_ms: int
    side: int
    key: bytes
    value: bytes
    fate: Fate
    tells: str | None
    settled_ms: int


def traffic(plan: Plan, start_ms: int) -> Iterator[Event]:
    """Every event of a plan that begins at `start_ms`, wall clock, as they become due."""
    assert plan.return_within_ms > ANSWER_MAX_MS, "orders answered in time would be late"
    waiting: list[Event] = []
    for story in _stories(plan, start_ms):
        while waiting and waiting[0].due_ms <= story[0].due_ms:
            yield heappop(waiting)
        for event in story:
            heappush(waiting, event)
    while waiting:
        yield heappop(waiting)


@dataclass(slots=True)
class _Order:
    """One order while its story is written."""

    order_id: str
    at_ms: int
    fate: Fate
    plan: Plan
    dice: Random
    fields: dict[str, Any]
    story: list[Event] = field(default_factory=list)

    def submit(self, *, tells: str | None = None, **changes: Any) -> None:
        values = {"order_id": self.order_id, "submitted_at": self.at_ms, **self.fields, **changes}
        self.put(SUBMITTED, self.at_ms, _json(values), tells=tells)

    def answer(self, after_ms: int, outcome: str, *, tells: str | None = None, **more: Any) -> None:
        at_ms = self.at_ms + after_ms
        values = {"order_id": self.order_id, "returned_at": at_ms, "outcome": outcome, **more}
        self.put(RETURNED, at_ms, _json(values), tells=tells)

    def put(self, side: int, due_ms: int, value: bytes, *, tells: str | None) -> None:
        terms = (self.plan.return_within_ms, self.plan.hold_ms)
        settled_ms = due_ms + terms[side]
        key = self.order_id.encode()
        self.story.append(Event(due_ms, side, key, value, self.fate, tells, settled_ms))

    def pend(self) -> None:
        if self.dice.random() < _PENDING_SHARE:
            self.answer(self.dice.randint(*_PENDING_MS), "pending")

    def conclude(self, after_ms: int, *, tells: str | None = None) -> None:
        outcome, more = "accepted", {}
        if self.dice.random() < 0.1:
            outcome, more = "rejected", {"code": self.dice.choice(_REFUSALS)}
        self.answer(after_ms, outcome, tells=tells, provider=self.fields["provider"], **more)

    def usual_ms(self) -> int:
        fastest, slower = _ANSWER_MS
        return min(ANSWER_MAX_MS, fastest + int(self.dice.expovariate(1 / slower)))


def _stories(plan: Plan, start_ms: int) -> Iterator[list[Event]]:
    dice = Random(plan.seed)
    fates = _fates(dice)
    for number in range(plan.seconds * plan.orders_per_s):
        at_ms = start_ms + number * 1_000 // plan.orders_per_s
        fields = _fields(dice)
        order_id = f"{fields['kind']}-{number + 1:05}"
        fate = next(fates)
        if fate is not Fate.ANSWERED:
            fields["provider"] = POOR_PROVIDER
        is_out = fields["provider"] == BROKEN_PROVIDER and at_ms - start_ms in plan.outage_ms
        if is_out and fate in _CUT_OFF:
            fate = Fate.CUT_OFF
        order = _Order(order_id, at_ms, fate, plan, dice, fields)
        _TELLERS[order.fate](order)
        yield order.story


def _fates(dice: Random) -> Iterator[Fate]:
    block = list(BLOCK)
    for number in count():
        dice.shuffle(block)
        if number == 0:  # The first order is lost, so that the first alert comes soon.
            block.remove(Fate.LOST)
            block.insert(0, Fate.LOST)
        yield from block


def _fields(dice: Random) -> dict[str, Any]:
    return {
        "kind": dice.choice(_KINDS),
        "provider": dice.choice(_PROVIDERS),
        "merchant": dice.choice(_MERCHANTS),
        "player": f"p-{dice.randint(1, 999):03}",
        "amount_minor": dice.randint(100, 25_000),
        "currency": dice.choice(_CURRENCIES),
    }


def _answered(order: _Order) -> None:
    order.submit()
    order.pend()
    order.conclude(order.usual_ms())


def _lost(order: _Order) -> None:
    order.submit(tells="timed_out")
    order.pend()


def _cut_off_from_answers(order: _Order) -> None:
    order.submit(tells="timed_out")


def _late(order: _Order) -> None:
    order.submit(tells="timed_out")
    order.pend()
    late_ms = order.plan.return_within_ms + order.dice.randint(*_LATE_BY_MS)
    order.conclude(late_ms, tells="returned_late")


def _unmatched(order: _Order) -> None:
    order.conclude(0, tells="unmatched_return")


def _conflicting(order: _Order) -> None:
    order.submit()
    first_ms = order.usual_ms()
    order.answer(first_ms, "accepted")
    then_ms = first_ms + order.dice.randint(*_CONTRADICTED_MS)
    order.answer(then_ms, "rejected", code="51", tells="conflicting_return")


def _malformed(order: _Order) -> None:
    order.dice.choice(_MISTAKES)(order)


def _cut_off(order: _Order) -> None:
    value = _json({"order_id": order.order_id, "submitted_at": order.at_ms, **order.fields})
    order.put(SUBMITTED, order.at_ms, value[:-9], tells=DEAD_LETTER)


def _float_for_money(order: _Order) -> None:
    order.submit(amount_minor=order.fields["amount_minor"] / 100, tells=DEAD_LETTER)


def _time_missing(order: _Order) -> None:
    order.submit(submitted_at=None, tells=DEAD_LETTER)


def _key_of_another(order: _Order) -> None:
    order.submit(order_id=f"{order.order_id}-b", tells=DEAD_LETTER)


def _wrong_outcome_then_the_right_one(order: _Order) -> None:
    order.submit()
    order.answer(150, "OK", tells=DEAD_LETTER)
    order.conclude(order.usual_ms())


_TELLERS: Final[dict[Fate, Callable[[_Order], None]]] = {
    Fate.ANSWERED: _answered,
    Fate.LOST: _lost,
    Fate.LATE: _late,
    Fate.UNMATCHED: _unmatched,
    Fate.CONFLICTING: _conflicting,
    Fate.MALFORMED: _malformed,
    Fate.CUT_OFF: _cut_off_from_answers,
}
_MISTAKES: Final = (
    _cut_off,
    _float_for_money,
    _time_missing,
    _key_of_another,
    _wrong_outcome_then_the_right_one,
)


def _json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode()
