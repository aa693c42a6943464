"""Which cause the signs in an incident's scope speak for, ranked, with the counts as evidence."""

from dataclasses import dataclass
from typing import Final

from schemas.incidents import Cause, RankedCause
from streams.core.incidents.signs import (
    ANSWERED,
    DATA,
    DEAD_BACK,
    DEAD_SENT,
    HELD,
    LATE,
    NETWORK,
    PERMISSION,
    SLOW,
    TIMED_OUT,
    Signs,
)

ALIKE_PERMILLE: Final = (
    600  # Of a provider's returns unreadable: its interface differs, not an order.
)
SILENT_ORDERS_MIN: Final = 4  # Submitted in a span without any answer.
SHARE_TOLD_PERMILLE: Final = 30  # A cause with less is not told, unless it is the first.


@dataclass(frozen=True, slots=True)
class Case:
    """What was seen in a scope: the signs, what of them is usual, the longest span without an
    answer (seconds, orders submitted in it), and which permille of its provider's returns cannot
    be read."""

    signs: Signs
    usual: Signs
    silent_s: int
    silent_orders: int
    before_per_s: float
    unreadable_permille: int
    where: str

    def excess(self, sign: int) -> int:
        """How many more than usual."""
        return max(0, self.signs[sign] - self.usual[sign])


def rank(case: Case) -> tuple[RankedCause, ...]:
    """The causes, the likeliest first; there is always one."""
    scores = _scores(case)
    whole = sum(scores.values())
    if not whole:
        return (RankedCause("isolated", 1000, _evidence(case, "isolated")),)
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    told: list[RankedCause] = []
    for cause, score in ranked:
        permille = score * 1000 // whole
        if not told or permille >= SHARE_TOLD_PERMILLE:
            told.append(RankedCause(cause, permille, _evidence(case, cause)))
    return tuple(told)


def _scores(case: Case) -> dict[Cause, int]:
    signs = case.signs
    alike = case.unreadable_permille >= ALIKE_PERMILLE
    back = case.excess(DEAD_BACK)
    permission = case.excess(PERMISSION)
    data = case.excess(DATA) + case.excess(DEAD_SENT) + (0 if alike else back)
    misfit = max(0, case.excess(HELD) - signs[DEAD_SENT]) + (back if alike else 0)
    slowness = 2 * case.excess(NETWORK) + case.excess(SLOW)
    if slowness:
        slowness += signs[LATE]
    rest = max(0, signs[TIMED_OUT] - permission - data - misfit)
    is_silent = case.silent_orders >= SILENT_ORDERS_MIN and slowness <= rest // 4
    system = rest if is_silent else 0
    # Some orders lost while others are answered, with no sign of another cause: on the way.
    network = slowness + (0 if is_silent else rest)
    if permission or data or misfit:
        network = slowness + (0 if is_silent else rest) // 2
        system //= 2
    return {
        "permission": permission,
        "data_error": data,
        "integration": misfit,
        "network": network,
        "system_failure": system,
    }


def _evidence(case: Case, cause: Cause) -> tuple[str, ...]:
    signs, where = case.signs, case.where
    texts = {
        "permission": [(signs[PERMISSION], f"returns from {where} with a code of permissions")],
        "data_error": [
            (signs[DATA], f"returns from {where} with a code of wrong data"),
            (signs[DEAD_SENT], f"submissions to {where} that cannot be read"),
            (signs[DEAD_BACK], f"returns from {where} that cannot be read"),
        ],
        "integration": [
            (signs[HELD], f"returns from {where} that fit no order that is known"),
            (signs[DEAD_BACK], f"returns from {where} that cannot be read"),
        ],
        "network": [
            (signs[NETWORK], f"returns from {where} with a code of the network"),
            (signs[SLOW], f"returns from {where} five times as slow as nine in ten were before"),
            (signs[LATE], f"returns from {where} after their order had timed out"),
        ],
    }
    found = [f"{count} {text}" for count, text in texts.get(cause, []) if count]
    if cause == "system_failure" and case.silent_s:
        found.append(
            f"0 returns from {where} for {case.silent_s} s while {case.silent_orders} orders were "
            f"submitted; before: {case.before_per_s:.1f}/s"
        )
    timed_out = f"{signs[TIMED_OUT]} orders timed out, {signs[ANSWERED]} were answered in time"
    return (*found, timed_out)
