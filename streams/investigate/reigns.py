"""Which rules a partition number was under, and when: as far as its alerts tell.

Every alert names the policy it was made under, by its hash, and the frontier of its checkpoint. A
change of rules lies between the last frontier under the old and the first effect under the new;
where exactly, nobody wrote down, so verdicts are made for both.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from streams.core.history import History
from streams.core.rules import Policy
from streams.investigate.judge import Timeline
from streams.investigate.told import Told
from streams.state.header import Header


@dataclass(slots=True)
class _Reign:
    digest: str
    first_effect_ms: int
    last_frontier_ms: int


@dataclass(slots=True)
class Reigns:
    """Of one partition number; alerts are noted in the order they were written."""

    policies: Mapping[str, Policy]  # By hash.
    _reigns: list[_Reign] = field(default_factory=list)

    def note(self, told: Told) -> None:
        """What an alert says; one with a hash that nobody knows, or out of turn, says nothing."""
        digest = (told.headers.get("returnwatch-settings") or b"").decode("ascii", "replace")
        frontier = told.headers.get("returnwatch-frontier") or b""
        if told.effect_ms is None or digest not in self.policies or not frontier.isdigit():
            return
        frontier_ms = int(frontier)
        last = self._reigns[-1] if self._reigns else None
        if last is not None and frontier_ms < last.last_frontier_ms:
            return
        if last is not None and last.digest == digest:
            last.last_frontier_ms = frontier_ms
            last.first_effect_ms = min(last.first_effect_ms, told.effect_ms)
        else:
            self._reigns.append(_Reign(digest, told.effect_ms, frontier_ms))

    def timelines(self, header: Header) -> list[Timeline]:
        """One where the rules never changed; else with the changes as early and as late as they
        may have been. The header says what is in force now."""
        reigns = list(self._reigns)
        now = header.policy_digest
        if not reigns or reigns[-1].digest != now:
            reigns.append(_Reign(now, header.frontier_ms, header.frontier_ms))
        early, late = [], []
        for before, after in itertools.pairwise(reigns):
            policy = self.policies[after.digest]
            early.append((before.last_frontier_ms, policy))
            late.append((max(before.last_frontier_ms, after.first_effect_ms), policy))
        first = self.policies[reigns[0].digest]
        both = [Timeline(first, tuple(early)), Timeline(first, tuple(late))]
        return both if early != late else both[:1]


def histories(history: History, header: Header) -> list[History]:
    """What may have been unknown: over a gap that was accepted, orders that were open then are not
    told; when that was, the header does not say."""
    if header.gap_until_ms is None:
        return [history]
    gap_until_ms = max(header.gap_until_ms, history.gap_until_ms or 0)
    return [history, replace(history, gap_until_ms=gap_until_ms)]
