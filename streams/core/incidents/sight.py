"""What the signs are worth in numbers: counts to scan, what is usual, and answers that are missing.

Scopes that another fault explains keep their orders and lose their signs, so that a second fault
is not told wider than it is.
"""

from collections.abc import Iterable
from math import log
from typing import Final

from streams.core.gauges import Scope
from streams.core.incidents.baseline import Baseline
from streams.core.incidents.families import BY_PROVIDER, FAMILIES
from streams.core.incidents.scan import Counts, covers, is_covered, wider
from streams.core.incidents.signs import (
    ANSWERED,
    COUNT,
    DATA,
    DEAD_BACK,
    DEAD_SENT,
    HELD,
    NETWORK,
    PERMISSION,
    SLOW,
    TIMED_OUT,
    Signs,
    Table,
    put,
)
from streams.core.incidents.window import Window

SILENCE_NATS_MAX: Final = 12.0  # How much absent answers can add to orders that timed out.
SILENCE_SHARE: Final = 0.5  # More answers than so many of those expected are no silence.
ANSWERED_SHARE: Final = 0.9  # Of orders submitted, when nothing is wrong; careful.
SLOW_SHARE: Final = 0.01  # Of answers; slow is five times the slowest but one in ten.
EXPECTED_SIGNS: Final = {
    PERMISSION: "permission",
    NETWORK: "network",
    DATA: "data",
    HELD: "misfit",
    DEAD_SENT: "unreadable",
    DEAD_BACK: "unreadable",
}


def counts_of(
    table: Table, family: str, baseline: Baseline, *, explained: Iterable[Scope] = ()
) -> Counts:
    """Of each scope: how many show the sign, of how many, how many are usual."""
    share, others = FAMILIES[family], tuple(explained)
    if family in BY_PROVIDER:
        by_provider: Table = {}
        for scope, signs in table.items():
            put(by_provider, (scope[0], None, None), signs)
        table = by_provider
    counts: Counts = {}
    for scope, signs in table.items():
        count, of = share(signs)
        if of:
            if count and others and is_covered(others, scope):
                count = 0
            counts[scope] = count, of, of * baseline.share(scope, family)
    return counts


def usual_of(table: Table, baseline: Baseline) -> Signs:
    """How many of each sign are usual in all of a table."""
    usual = [0.0] * COUNT
    for scope, signs in table.items():
        for sign, family in EXPECTED_SIGNS.items():
            usual[sign] += FAMILIES[family](signs)[1] * baseline.share(scope, family)
        usual[SLOW] += SLOW_SHARE * signs[ANSWERED]
    return [round(it) for it in usual]


def silence(window: Window, baseline: Baseline) -> dict[Scope, float]:
    """Nats by which answers are missing, for scopes with orders that timed out."""
    leaves = window.recent
    lags = {leaf[0]: baseline.lag_s(leaf[0]) for leaf in leaves}
    submitted = {lag_s: window.submitted(lag_s) for lag_s in set(lags.values())}
    nodes = [at for leaf, signs in leaves.items() if signs[TIMED_OUT] for at in wider(leaf)]
    found: dict[Scope, float] = {}
    for node in dict.fromkeys(nodes):
        inside = [leaf for leaf in leaves if covers(node, leaf)]
        came = sum(leaves[leaf][ANSWERED] for leaf in inside)
        expected = ANSWERED_SHARE * sum(submitted[lags[at[0]]].get(at, 0) for at in inside)
        if expected > 0 and came < SILENCE_SHARE * expected:
            nats = expected - came + (came * log(came / expected) if came else 0.0)
            found[node] = min(nats, SILENCE_NATS_MAX)
    return found
