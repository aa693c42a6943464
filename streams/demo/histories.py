"""Histories by their seed: how much traffic, of whom, and what goes wrong in it."""

from collections.abc import Iterator
from dataclasses import replace
from math import exp, log
from random import Random
from typing import Final

from schemas.incidents import CAUSES, Cause, Scope
from streams.demo.misfortunes import Fault
from streams.demo.simulator import DAY_S, Burst, History, Party

START_MS: Final = 1_767_225_600_000
RATES_PER_S: Final = (5.0, 5_000.0)
SECONDS: Final = 400
SCOPE_RATE_MIN: Final = 1.0  # Orders a second where a fault is; a narrower one nobody could see.
PROVIDERS: Final = ("acme", "northbank", "paywell", "quickcoin")
MERCHANTS: Final = ("bakery", "bookshop", "cinema", "toyshop", "travels")
KINDS: Final = ("card", "wallet", "transfer")

# The fields that a fault of a cause can be confined to.
_PLACES: Final[dict[Cause, tuple[str, ...]]] = {
    "system_failure": ("p", "p", "p", "", "pk"),
    "network": ("p", "p", ""),
    "data_error": ("m", "k", "pm", "pk"),
    "permission": ("p", "m", "pm"),
    "integration": ("p",),
    "isolated": ("",),
    "monitor": ("",),
}
_ALONE: Final = ("isolated", "monitor")


def random_history(seed: int, faults: int | None = None) -> History:
    """One of some minutes, 5 to 5,000 orders/s, with none, one or two faults."""
    rng = Random(seed)
    low, high = (log(rate) for rate in RATES_PER_S)
    rate = exp(rng.uniform(low, high))
    history = _traffic(rng, seed, rate, seconds=SECONDS)
    count = rng.choice((0, 1, 1, 1, 1, 1, 1, 2, 2, 2)) if faults is None else faults
    return replace(history, faults=tuple(_faults(rng, history, count)))


def healthy_day(seed: int) -> History:
    """A day with its rhythm, a quiet night and bursts, in which nothing is wrong."""
    rng = Random(seed)
    history = _traffic(rng, seed, rng.uniform(4, 12), seconds=DAY_S)
    bursts = tuple(
        Burst(rng.randrange(DAY_S), rng.randrange(10, 600), rng.uniform(1.5, 4)) for _ in range(8)
    )
    return replace(history, night=rng.uniform(0.02, 0.3), bursts=bursts)


def _traffic(rng: Random, seed: int, rate: float, *, seconds: int) -> History:
    return History(
        seed=seed,
        start_ms=START_MS,
        seconds=seconds,
        orders_per_s=rate,
        providers=_parties(rng, PROVIDERS[: rng.randrange(2, 5)], is_slow=True),
        merchants=_parties(rng, MERCHANTS[: rng.randrange(3, 6)]),
        kinds=_parties(rng, KINDS[: rng.randrange(2, 4)]),
        return_within_ms=rng.choice((8_000, 10_000, 15_000, 20_000)),
        phase_s=rng.randrange(DAY_S),
        night=rng.uniform(0.6, 1.0),
        bursts=(Burst(rng.randrange(seconds), rng.randrange(10, 40), rng.uniform(1.2, 2.5)),),
    )


def _parties(rng: Random, names: tuple[str, ...], *, is_slow: bool = False) -> tuple[Party, ...]:
    return tuple(
        Party(name, rng.uniform(0.5, 1.5), rng.uniform(150, 800) if is_slow else 0.0)
        for name in names
    )


def _faults(rng: Random, history: History, count: int) -> Iterator[Fault]:
    causes = [cause for cause in CAUSES if count == 1 or cause not in _ALONE]
    taken: list[Scope] = []
    start_s = rng.randrange(150, 200)
    for cause in rng.sample(causes, count):
        scope = _scope(rng, history, cause, taken=taken)
        if scope is None:
            return
        taken.append(scope)
        yield Fault(
            cause=cause,
            scope=scope,
            start_s=start_s + rng.randrange(20),
            seconds=rng.randrange(40, 80),
            strength=rng.uniform(0.6, 1.0) if cause != "integration" else rng.uniform(0.9, 1.0),
            variant=rng.randrange(60),
        )


def _scope(rng: Random, history: History, cause: Cause, *, taken: list[Scope]) -> Scope | None:
    """One that enough orders go through, and apart from the others."""
    for _ in range(50):
        place = rng.choice(_PLACES[cause])
        picked = {
            "p": rng.choice(history.providers),
            "m": rng.choice(history.merchants),
            "k": rng.choice(history.kinds),
        }
        groups = {"p": history.providers, "m": history.merchants, "k": history.kinds}
        rate = history.orders_per_s * 0.6
        for letter in place:
            rate *= picked[letter].weight / sum(party.weight for party in groups[letter])
        names = [picked[letter].name if letter in place else None for letter in "pmk"]
        scope = Scope(*names)
        if rate >= SCOPE_RATE_MIN and all(_are_apart(scope, other) for other in taken):
            return scope
    return None


def _are_apart(one: Scope, other: Scope) -> bool:
    pairs = (
        (one.provider, other.provider),
        (one.merchant, other.merchant),
        (one.kind, other.kind),
    )
    return any(a is not None and b is not None and a != b for a, b in pairs)
