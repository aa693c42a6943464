"""The kinds of signs that a fault is noticed by, each as so many out of so many.

Where nothing comes back at all, the orders count that were sent: a scope that shows no sign because
it is silent is no part of the fault that shows it elsewhere.
"""

from collections.abc import Callable
from typing import Final

from streams.core.incidents.signs import (
    ANSWERED,
    DATA,
    DEAD_BACK,
    DEAD_SENT,
    ERRORS,
    HELD,
    NETWORK,
    PERMISSION,
    SUBMITTED,
    TIMED_OUT,
    Signs,
)

Share = Callable[[Signs], tuple[int, int]]  # How many show it, of how many.


def _lost(signs: Signs) -> tuple[int, int]:
    return signs[TIMED_OUT], signs[TIMED_OUT] + signs[ANSWERED]


def _of_code(sign: int) -> Share:
    def share(signs: Signs) -> tuple[int, int]:
        came = signs[ANSWERED] + signs[ERRORS]
        return signs[sign], max(signs[sign], came, signs[SUBMITTED])

    return share


def _unreadable(signs: Signs) -> tuple[int, int]:
    dead = signs[DEAD_SENT] + signs[DEAD_BACK]
    return dead, dead + max(signs[SUBMITTED], signs[ANSWERED])


def _misfit(signs: Signs) -> tuple[int, int]:
    misfit = max(0, signs[HELD] - signs[DEAD_SENT])
    return misfit, max(misfit + signs[ANSWERED], signs[SUBMITTED])


FAMILIES: Final[dict[str, Share]] = {
    "lost": _lost,
    "permission": _of_code(PERMISSION),
    "network": _of_code(NETWORK),
    "data": _of_code(DATA),
    "unreadable": _unreadable,
    "misfit": _misfit,
}
# Signs of which a table has to hold one to show the family at all.
_SIGNS: Final = {
    "lost": (TIMED_OUT,),
    "permission": (PERMISSION,),
    "network": (NETWORK,),
    "data": (DATA,),
    "unreadable": (DEAD_SENT, DEAD_BACK),
    "misfit": (HELD,),
}
BY_PROVIDER: Final = ("misfit",)  # What is known of it is the provider alone.


def may_show(family: str, sums: Signs) -> bool:
    """Whether any part of what was added up to these sums can show the family."""
    return any(sums[sign] for sign in _SIGNS[family])
