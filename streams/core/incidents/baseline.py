"""What is normal in each scope: how many of how many show a sign, and how long returns take.

Learned from blocks of a minute while no incident is open there. Robust by plain median and MAD of
the standard library: a block that stands out counts no more than three of the usual deviations
above the median, so that a fault nobody told of does not become the normal state. (The streaming
libraries that were looked at bring numpy or C extensions for what is a dozen lines here.)
"""

from collections import deque
from statistics import median
from typing import Any, Final

from schemas.stats import delay_of
from streams.core.gauges import Scope
from streams.core.incidents.families import FAMILIES
from streams.core.incidents.signs import Signs, Table, put

BLOCK_S: Final = 60
BLOCKS_MAX: Final = 30
SHARES_KEPT_MAX: Final = 50_000  # Of a scope there are six at most.
SCOPES_MAX: Final = 5_000  # Scopes with a rhythm of their own; others count as usual.
SLOW_BUCKETS: Final = 10  # Four an octave: slower than nine in ten, more than five times over.
NEVER_SLOW: Final = 10_000
DELAYS_MIN: Final = 50  # Returns before anything is called slow.
FORGET: Final = 0.8  # What a block leaves of the delays before it.
PRIOR: Final = (0.05, 500.0)  # Before anything is known: one in ten thousand.
SHRINK: Final = 200.0  # How many exposures of its own outweigh what is usual everywhere.
_DEVIATIONS: Final = 3 * 1.4826  # MAD to standard deviations of a normal distribution.

Rate = tuple[float, float]  # How many show it, of how many.


class Baseline:
    """The normal state, by scope and, for delays, by provider."""

    def __init__(self) -> None:
        self._block: Table = {}
        self._block_s = 0
        self._blocks: dict[Scope, deque[Signs]] = {}
        self._rates: dict[Scope, dict[str, Rate]] = {}
        self._usual: dict[str, Rate] = {}
        self._shares: dict[tuple[Scope, str], float] = {}  # As `share` gave them in this block.
        self._delays: dict[str | None, dict[int, float]] = {}
        self._slow: dict[str | None, tuple[int, int]] = {}  # Bucket from which; lag in s.

    def learn(self, scope: Scope, signs: Signs) -> None:
        """Take in one scope's second."""
        put(self._block, scope, signs)

    def learn_delays(self, provider: str | None, delays: dict[int, int]) -> None:
        """Take in how long its returns took, as bucket to count."""
        to = self._delays.setdefault(provider, {})
        for bucket, count in delays.items():
            to[bucket] = to.get(bucket, 0) + count

    def pass_to(self, second_s: int) -> None:
        """Close the block where its minute is over."""
        if second_s // BLOCK_S == self._block_s:
            return
        self._block_s = second_s // BLOCK_S
        self._shares.clear()
        for scope, signs in self._block.items():
            if scope in self._blocks or len(self._blocks) < SCOPES_MAX:
                self._blocks.setdefault(scope, deque(maxlen=BLOCKS_MAX)).append(signs)
                self._rates[scope] = _rates(self._blocks[scope])
        self._block = {}
        for family in FAMILIES:
            of = [rates[family] for rates in self._rates.values()]
            self._usual[family] = sum(k for k, _ in of), sum(n for _, n in of)
        for provider, delays in self._delays.items():
            self._slow[provider] = _slow_from(delays)
            self._delays[provider] = {
                bucket: left for bucket, n in delays.items() if (left := n * FORGET) > 0.05
            }

    def share(self, scope: Scope, family: str) -> float:
        """How many in one show the sign when nothing is wrong."""
        known = self._shares.get((scope, family))
        if known is None:
            if len(self._shares) >= SHARES_KEPT_MAX:
                self._shares.clear()
            known = self._shares[scope, family] = self._share(scope, family)
        return known

    def _share(self, scope: Scope, family: str) -> float:
        usual_k, usual_n = self._usual.get(family, (0.0, 0.0))
        usual = (usual_k + PRIOR[0]) / (usual_n + PRIOR[1])
        own_k, own_n = self._rates.get(scope, {}).get(family, (0.0, 0.0))
        return (own_k + SHRINK * usual) / (own_n + SHRINK)

    def slow_from(self, provider: str | None) -> int:
        """The bucket from which a return is many times as slow as usual."""
        return self._slow.get(provider, (NEVER_SLOW, 1))[0]

    def lag_s(self, provider: str | None) -> int:
        """How many seconds nearly all returns take at most."""
        return self._slow.get(provider, (NEVER_SLOW, 2))[1]

    def state(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        return {
            "block": [[*scope, signs] for scope, signs in self._block.items()],
            "block_s": self._block_s,
            "blocks": [[*scope, list(blocks)] for scope, blocks in self._blocks.items()],
            "delays": [[name, list(of.items())] for name, of in self._delays.items()],
            "slow": [[name, *of] for name, of in self._slow.items()],
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Baseline":
        """The same again."""
        made = cls()
        made._block = {(p, m, k): signs for p, m, k, signs in state["block"]}
        made._block_s = state["block_s"]
        for provider, merchant, kind, blocks in state["blocks"]:
            scope = (provider, merchant, kind)
            made._blocks[scope] = deque(blocks, maxlen=BLOCKS_MAX)
            made._rates[scope] = _rates(made._blocks[scope])
        for family in FAMILIES:
            of = [rates[family] for rates in made._rates.values()]
            made._usual[family] = sum(k for k, _ in of), sum(n for _, n in of)
        made._delays = {name: dict(map(tuple, of)) for name, of in state["delays"]}
        made._slow = {name: (bucket, lag_s) for name, bucket, lag_s in state["slow"]}
        return made


def _rates(blocks: deque[Signs]) -> dict[str, Rate]:
    """For each family: how many, of how many, without what stands out."""
    found = {}
    for family, share in FAMILIES.items():
        pairs = [share(signs) for signs in blocks]
        counts = [k for k, _ in pairs]
        middle = median(counts)
        deviation = median([abs(k - middle) for k in counts])
        most = middle + _DEVIATIONS * deviation + 1
        found[family] = (float(sum(min(k, most) for k in counts)), float(sum(n for _, n in pairs)))
    return found


def _slow_from(delays: dict[int, float]) -> tuple[int, int]:
    from_count, seen = 0.9 * sum(delays.values()), 0.0
    if from_count < 0.9 * DELAYS_MIN:
        return NEVER_SLOW, 2
    for bucket in sorted(delays):
        seen += delays[bucket]
        if seen >= from_count:
            return bucket + SLOW_BUCKETS, _seconds_of(bucket)
    raise AssertionError("nine in ten are within all")


def _seconds_of(bucket: int) -> int:
    return delay_of(bucket + 1) // 1000 + 1
