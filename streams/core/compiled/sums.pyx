# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The rows of all partition numbers added up, which the owner of incidents does with every row.

What few rows have is left to `add` of streams.core.rows, which adds up whole rows the same.
"""

from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject

from schemas.stats import Money, StatsRow
from streams.core.compiled.structs cimport get, place_of, put
from streams.core.gauges import by_scope, put_money
from streams.core.rows import COUNTS, add

cdef enum:
    COUNTS_NUMBER = 13
    SUMS_NUMBER = 4

cdef Py_ssize_t PROVIDER = place_of(StatsRow, "provider")
cdef Py_ssize_t MERCHANT = place_of(StatsRow, "merchant")
cdef Py_ssize_t KIND = place_of(StatsRow, "kind")
cdef Py_ssize_t CODES = place_of(StatsRow, "codes")
cdef Py_ssize_t DELAYS = place_of(StatsRow, "delays")
cdef Py_ssize_t LETTERS = place_of(StatsRow, "dead_letters")
cdef Py_ssize_t MONEY = place_of(StatsRow, "money")
cdef Py_ssize_t TIMED_OUT_IDS = place_of(StatsRow, "timed_out_ids")
cdef Py_ssize_t UNMATCHED_IDS = place_of(StatsRow, "unmatched_ids")
cdef Py_ssize_t CURRENCY = place_of(Money, "currency")
cdef Py_ssize_t[COUNTS_NUMBER] PLACES
cdef Py_ssize_t[SUMS_NUMBER] SUMS
assert len(COUNTS) == COUNTS_NUMBER, "rows have other counts"
for _number, _name in enumerate(COUNTS):
    PLACES[_number] = place_of(StatsRow, _name)
assert len(Money.__struct_fields__) == 1 + SUMS_NUMBER, "money has other sums"
for _number, _name in enumerate(Money.__struct_fields__[1:]):
    SUMS[_number] = place_of(Money, _name)


def added_up(list rows) -> list[StatsRow]:
    """One row for each scope, in order; rows of one scope alone are the very same."""
    cdef dict found = {}
    cdef PyObject* known
    for row in rows:
        if type(row) is not StatsRow:
            raise TypeError(f"{row!r} is no row")
        scope = get(row, PROVIDER), get(row, MERCHANT), get(row, KIND)
        known = PyDict_GetItem(found, scope)
        if known == NULL:
            found[scope] = row
        elif get(row, LETTERS) or get(row, TIMED_OUT_IDS) or get(row, UNMATCHED_IDS):
            add(<object>known, row)
        else:
            add_plain(<object>known, row)
    return [found[scope] for scope in sorted(found, key=by_scope)]


def add_signs(list to, list signs) -> None:
    """Add integers to others, place by place; most are 0, and need not be written."""
    cdef Py_ssize_t place
    if len(to) != len(signs):
        raise ValueError(f"{len(signs)} signs for {len(to)} places")
    for place in range(len(signs)):
        if signs[place]:
            to[place] = to[place] + signs[place]


cdef int add_plain(object to, object row) except -1:
    cdef int number
    for number in range(COUNTS_NUMBER):
        add_number(to, row, PLACES[number])
    add_counts(<dict>get(to, CODES), <dict>get(row, CODES))
    add_counts(<dict>get(to, DELAYS), <dict>get(row, DELAYS))
    for money in <list>get(row, MONEY):
        of = money_of(to, get(money, CURRENCY))
        for number in range(SUMS_NUMBER):
            add_number(of, money, SUMS[number])
    return 0


cdef inline int add_number(object to, object of, Py_ssize_t place) except -1:
    """Most are 0, and need not be written; none has a limit here."""
    number = get(of, place)
    if number:
        put(to, place, get(to, place) + number)
    return 0


cdef inline int add_counts(dict to, dict counts) except -1:
    cdef PyObject* known
    for key, count in counts.items():
        known = PyDict_GetItem(to, key)
        to[key] = count if known == NULL else <object>known + count
    return 0


cdef object money_of(object row, str currency):
    for money in <list>get(row, MONEY):
        if get(money, CURRENCY) == currency:
            return money
    return put_money(row, currency)
