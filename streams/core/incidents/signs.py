"""What the rows of one second show of each scope, as a list of integers: the signs.

A list, because they are added up a million times a day; these are the names of its places.
"""

from collections.abc import Iterable
from operator import add, sub
from typing import Final

from schemas.stats import StatsRow
from streams.core import compiled
from streams.core.gauges import Scope
from streams.core.incidents.codes import CodeClasses

SUBMITTED: Final = 0
ANSWERED: Final = 1  # In time.
ERRORS: Final = 2  # Interim.
TIMED_OUT: Final = 3
LATE: Final = 4
HELD: Final = 5
DEAD_SENT: Final = 6  # Submissions that cannot be read.
DEAD_BACK: Final = 7  # Returns that cannot be read.
PERMISSION: Final = 8  # Codes of a class.
NETWORK: Final = 9
DATA: Final = 10
SLOW: Final = 11  # Answers that took many times as long as usual.
COUNT: Final = 12
OF_CLASS: Final = {"permission": PERMISSION, "network": NETWORK, "data": DATA}

Signs = list[int]
Table = dict[Scope, Signs]


def signs_of(row: StatsRow, codes: CodeClasses, slow_from: int) -> Signs:
    """The signs in a row; an answer is slow from the bucket `slow_from` on."""
    signs = [0] * COUNT
    signs[SUBMITTED] = row.submitted
    signs[ANSWERED] = row.answered
    signs[ERRORS] = row.error
    signs[TIMED_OUT] = row.timed_out
    signs[LATE] = row.returned_late
    signs[HELD] = row.held
    for letters in row.dead_letters:
        signs[DEAD_BACK if letters.side else DEAD_SENT] += letters.count
    for code, count in row.codes.items():
        name = codes.class_of(code)
        if name is not None:
            signs[OF_CLASS[name]] += count
    for bucket, count in row.delays.items():
        if bucket >= slow_from:
            signs[SLOW] += count
    return signs


def put(table: Table, scope: Scope, signs: Signs) -> None:
    """Add signs to those of a scope."""
    to = table.get(scope)
    if to is None:
        table[scope] = signs[:]
    elif compiled.is_there():
        compiled.sums.add_signs(to, signs)
    else:
        to[:] = map(add, to, signs)


def take_out(table: Table, scope: Scope, signs: Signs) -> None:
    """The opposite; a scope without signs is dropped."""
    to = table.get(scope)
    if to is None:
        assert not any(signs), "signs are taken out that were never put"
        return
    to[:] = map(sub, to, signs)
    if not any(to):
        del table[scope]


def total(all_signs: Iterable[Signs]) -> Signs:
    """Their sum."""
    return [sum(column) for column in zip(*all_signs, strict=True)] or [0] * COUNT
