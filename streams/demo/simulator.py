"""Labelled traffic: orders and their returns with a daily rhythm, and faults of every cause.

Pure and seeded: the same history gives the same records, in order of time. What is wrong in it is
its labels. `order` times are record times: what a broker's clock would have said.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import cos, exp, pi
from random import Random
from typing import Any, Final, NamedTuple

from schemas.records import RETURNED, SUBMITTED
from streams.demo.misfortunes import Answer, Fault, Order, misfortune

DAY_S: Final = 86_400
COPIES_FROM_PER_S: Final = 120  # Beyond it senders send several equal orders at once.
_CURRENCIES: Final = ("EUR", "EUR", "GBP", "SEK")
_REFUSALS: Final = ("51", "RS_ERROR_NOT_ENOUGH_MONEY", "LIMIT_REACHED")
_REFUSED_SHARE: Final = 0.06
_STRAY_CODES: Final = ("403", "400", "504")


@dataclass(frozen=True, slots=True)
class Party:
    """A provider, merchant or kind of order, its share of the traffic; `delay_ms` is how long a
    provider takes for half of its answers."""

    name: str
    weight: float
    delay_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Burst:
    """A span with so many times the usual traffic."""

    start_s: int
    seconds: int
    times: float


@dataclass(frozen=True, slots=True)
class History:
    """Everything that a simulated stretch of traffic is made from."""

    seed: int
    start_ms: int
    seconds: int
    orders_per_s: float
    providers: tuple[Party, ...]
    merchants: tuple[Party, ...]
    kinds: tuple[Party, ...]
    return_within_ms: int = 10_000
    night: float = 1.0  # How much of the traffic is left at the quietest time of a day.
    phase_s: int = 0  # Where in its day the history begins.
    lost_share: float = 2e-5  # Single orders that are lost on a healthy day, too.
    stray_share: float = 3e-4  # Codes of some cause without a fault.
    bursts: tuple[Burst, ...] = ()
    faults: tuple[Fault, ...] = field(default=())
    numbered_from: int = 0  # So that histories on the same topics have orders of their own.

    def labels(self) -> list[dict[str, Any]]:
        """What is wrong, in JSON's types: cause, scope, and from when until when in ms."""
        return [
            {
                "cause": fault.cause,
                "scope": {
                    "provider": fault.scope.provider,
                    "merchant": fault.scope.merchant,
                    "kind": fault.scope.kind,
                },
                "from_ms": self.start_ms + fault.start_s * 1000,
                "until_ms": self.start_ms + (fault.start_s + fault.seconds) * 1000,
                "strength": fault.strength,
            }
            for fault in self.faults
        ]


class SimRecord(NamedTuple):
    """A record of a side, to be written with the timestamp `at_ms`."""

    at_ms: int
    side: int
    key: bytes
    value: bytes


def records(history: History) -> Iterator[SimRecord]:
    """Every record of a history, in order of time."""
    waiting: list[SimRecord] = []
    for order in orders(history):
        while waiting and waiting[0].at_ms < order.sent_ms:
            yield heappop(waiting)
        for record in records_of(order):
            heappush(waiting, record)
    while waiting:
        yield heappop(waiting)


def orders(history: History) -> Iterator[Order]:
    """Every order of a history with what comes back for it, in order of submission."""
    rng = Random(history.seed)
    wheels = [_Wheel(it) for it in (history.providers, history.merchants, history.kinds)]
    copies = max(1, round(history.orders_per_s / COPIES_FROM_PER_S))
    singles = _singles(history)
    number = 0
    for second in range(history.seconds):
        expected = history.orders_per_s * rhythm(history, second) / copies
        times = sorted(rng.randrange(1000) for _ in range(_poisson(rng, expected)))
        for at in times:
            number += 1
            at_ms = history.start_ms + second * 1000 + at
            parties = tuple(wheel.turn(rng) for wheel in wheels)
            place = (history.numbered_from + number, at_ms)
            order = _order(history, rng, place, parties=parties, copies=copies)
            if number in singles:
                order = order._replace(answers=(), copies=1)
            yield order


def rhythm(history: History, second: int) -> float:
    """How much of the usual traffic there is: the time of day, and bursts."""
    of_day = (1 - cos(2 * pi * (second + history.phase_s) / DAY_S)) / 2
    times = history.night + (1 - history.night) * of_day
    for burst in history.bursts:
        if burst.start_s <= second < burst.start_s + burst.seconds:
            times *= burst.times
    return times


def records_of(order: Order) -> Iterator[SimRecord]:
    """The records of an order and of its copies."""
    for copy in range(order.copies):
        order_id = order.id_of(copy)
        yield SimRecord(order.sent_ms, SUBMITTED, order_id.encode(), _json(order.fields(order_id)))
        for answer in order.answers:
            back_id = answer.id_of(order_id)
            value = _json(answer.fields(back_id, order.provider))
            yield SimRecord(answer.at_ms, RETURNED, back_id.encode(), value)


def _order(
    history: History,
    rng: Random,
    place: tuple[int, int],
    *,
    parties: tuple[Party, ...],
    copies: int,
) -> Order:
    number, at_ms = place
    provider, merchant, kind = parties
    delay_ms = max(5, int(provider.delay_ms * exp(rng.gauss(0, 0.5))))
    chance = rng.random()
    code = rng.choice(_REFUSALS) if chance < _REFUSED_SHARE else None
    answer = Answer(at_ms + delay_ms, "accepted" if code is None else "rejected", code)
    order = Order(
        number,
        at_ms,
        provider.name,
        merchant.name,
        kind.name,
        rng.randrange(100, 20_000),
        _CURRENCIES[number % len(_CURRENCIES)],
        (answer,),
        copies,
    )
    stray = rng.random()
    if stray < history.lost_share:
        return order._replace(answers=(), copies=1)
    if stray < history.lost_share + history.stray_share:
        refused = Answer(answer.at_ms, "rejected", _STRAY_CODES[number % len(_STRAY_CODES)])
        return order._replace(answers=(refused,), copies=1)
    for fault in history.faults:
        if fault.scope.covers(provider.name, merchant.name, kind.name):
            order = misfortune(history.start_ms, fault, rng, order=order)
    return order


def _singles(history: History) -> set[int]:
    """The orders that `isolated` faults lose, by number."""
    found: set[int] = set()
    for fault in history.faults:
        if fault.cause == "isolated":
            rng = Random(history.seed + 1)
            middle = int(history.orders_per_s * fault.start_s)
            copies = max(1, round(history.orders_per_s / COPIES_FROM_PER_S))
            gap = max(40, int(history.orders_per_s * 40 / copies))
            found = {middle // copies + at * gap + rng.randrange(10) for at in range(2)}
    return found


def _poisson(rng: Random, expected: float) -> int:
    if expected > 30:
        return max(0, round(rng.gauss(expected, expected**0.5)))
    limit, product, count = exp(-expected), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


class _Wheel:
    """Picks parties by their weights."""

    def __init__(self, parties: tuple[Party, ...]) -> None:
        whole = sum(party.weight for party in parties)
        self._places = [
            party for party in parties for _ in range(max(1, round(party.weight / whole * 1000)))
        ]

    def turn(self, rng: Random) -> Party:
        return self._places[int(rng.random() * len(self._places))]


def _json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
