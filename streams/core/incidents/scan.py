"""Where a kind of sign is concentrated: the narrowest scope that explains it.

A scan over all scopes that hold a sign, and what they generalise to, by the likelihood of one
raised share inside against the usual one (Kulldorff, A spatial scan statistic, 1997, with
binomial counts). Wider scopes lose by what is well inside, narrower ones by the signs outside;
each field that is named costs something, so that of equal ones the widest is taken.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import log
from typing import Final

from streams.core.gauges import Scope

FIELD_NATS: Final = 4.0  # What naming one more field has to gain, at least.
WIDER_KEPT_MAX: Final = 10_000  # Scopes that are looked at each second while an incident is open.
STANDS_OUT: Final = 3.0  # A share that is not so many times the usual is no sign of a fault.

Counts = dict[Scope, tuple[int, int, float]]  # How many, of how many, how many are usual.


@dataclass(frozen=True, slots=True)
class Found:
    """A scope, by how many nats its raised share is likelier, and its counts."""

    scope: Scope
    nats: float
    count: int
    of: int

    @property
    def worth(self) -> float:
        """Nats less the cost of its fields."""
        return self.nats - FIELD_NATS * sum(name is not None for name in self.scope)


def scan(
    counts: Counts, extra: dict[Scope, float] | None = None, *, near: Scope | None = None
) -> Found | None:
    """The best scope, if any stands out; `extra` are nats that speak for a scope besides. With
    `near` only that scope, its parts and what it is a part of."""
    nodes: dict[Scope, list[float]] = {}
    for scope, (count, _, _) in counts.items():
        if count:
            for node in wider(scope):
                if near is not None and not (covers(near, node) or covers(node, near)):
                    continue
                nodes.setdefault(node, [0, 0, 0.0])
    for scope, (count, of, usual) in counts.items():
        for node in wider(scope):
            sums = nodes.get(node)
            if sums is not None:
                sums[0] += count
                sums[1] += of
                sums[2] += usual
    best = None
    for node, (k, n, normal) in nodes.items():
        nats = raised(int(k), int(n), normal)
        if nats <= 0:
            continue
        found = Found(node, nats + (extra or {}).get(node, 0.0), int(k), int(n))
        if best is None or (found.worth, _names(best.scope)) > (best.worth, _names(node)):
            best = found
    return best


def nats_of(counts: Counts, node: Scope) -> float:
    """By how much a raised share in this scope is likelier."""
    inside = [counts[scope] for scope in counts if covers(node, scope)]
    count, of = sum(it[0] for it in inside), sum(it[1] for it in inside)
    return raised(count, of, sum(it[2] for it in inside))


def raised(count: int, of: int, usual: float) -> float:
    """Nats of `count` out of `of` where `usual` are; 0 where it does not stand out."""
    if count == 0 or count <= STANDS_OUT * usual:
        return 0.0
    of = max(of, count)
    share, before = count / of, max(usual / of, 1e-6)
    nats = count * log(share / before)
    if count < of:
        nats += (of - count) * log((1 - share) / (1 - min(before, 0.999)))
    return nats


@lru_cache(maxsize=WIDER_KEPT_MAX)
def wider(scope: Scope) -> tuple[Scope, ...]:
    """The scope and all that it is a part of."""
    provider, merchant, kind = (
        (None,) if name is None else (name, None)  # Where one is named, it and all of them.
        for name in scope
    )
    return tuple(product(provider, merchant, kind))


def covers(node: Scope, scope: Scope) -> bool:
    """Whether a scope is a part of the node, or the node itself."""
    return (
        node[0] in (None, scope[0]) and node[1] in (None, scope[1]) and node[2] in (None, scope[2])
    )


def is_covered(nodes: Iterable[Scope], scope: Scope) -> bool:
    """Whether it is a part of any of them."""
    for node in nodes:  # noqa: SIM110 # A generator for each scope and second costs more.
        if covers(node, scope):
            return True
    return False


def shared(one: Scope, other: Scope) -> Scope:
    """The narrowest scope that both are a part of."""
    provider, merchant, kind = (a if a == b else None for a, b in zip(one, other, strict=True))
    return provider, merchant, kind


def _names(scope: Scope) -> tuple[str, ...]:
    return tuple(name or "" for name in scope)
