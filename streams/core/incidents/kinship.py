"""Whether signs in two scopes are one fault."""

from collections.abc import Callable
from typing import Final

from streams.core.gauges import Scope
from streams.core.incidents.scan import Counts, covers, shared

ALIKE_TIMES: Final = 4  # Shares that differ more are two faults.
BETWEEN_SHARE: Final = 0.25  # Less than so many of the signs expected between them, too.
FEW: Final = 6  # Signs expected; with fewer their absence says nothing.


def is_one(counts: Counts, before: Scope, more: Scope) -> bool:
    """Whether both are a part of one wider fault: shares much alike, and what lies between them
    in the wider scope shows it, too, or is too little to say."""
    joint = shared(before, more)
    first = _sums(counts, lambda at: covers(before, at))
    second = _sums(counts, lambda at: covers(more, at) and not covers(before, at))
    between = _sums(
        counts,
        lambda at: covers(joint, at) and not covers(before, at) and not covers(more, at),
    )
    if not first[0] or not second[0]:
        return joint == more and first[1] * second[0] < FEW * max(1, second[1])
    shares = first[0] / first[1], second[0] / second[1]
    if max(shares) > ALIKE_TIMES * min(shares):
        return False
    expected = min(shares) * between[1]
    return expected < FEW or between[0] >= BETWEEN_SHARE * expected


def _sums(counts: Counts, holds: Callable[[Scope], bool]) -> tuple[int, int]:
    inside = [it for at, it in counts.items() if holds(at)]
    return sum(it[0] for it in inside), sum(it[1] for it in inside)
