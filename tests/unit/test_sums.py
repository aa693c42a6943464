"""Rows of one second are added up to the same in C and in Python."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.stats import DeadLetters, Money, Stats, StatsRow, StatsSecond
from streams.core import compiled
from streams.core.incidents.feed import Feed
from streams.core.incidents.signs import COUNT, Signs, Table, put
from streams.core.rows import COUNTS

pytest.importorskip("streams.core.compiled.sums", reason="there was no C compiler")

_names = st.sampled_from([None, "pg", "pgé", ""])
_numbers = st.sampled_from([0, 0, 1, -3, 300, 2**62, 2**63 - 1])
_moneys = st.builds(Money, st.sampled_from(["EUR", "USD"]), _numbers, _numbers, _numbers, _numbers)
_ids = st.lists(st.sampled_from("abcdefgh"), max_size=3, unique=True).map(sorted).map(tuple)
_letters = st.builds(DeadLetters, st.integers(0, 1), st.sampled_from("xy"), st.just("p"), _numbers)
_rows = st.builds(
    StatsRow,
    provider=_names,
    merchant=_names,
    codes=st.dictionaries(st.sampled_from(["403", "zu spät"]), _numbers),
    delays=st.dictionaries(st.integers(0, 5), _numbers),
    money=st.lists(_moneys, max_size=2, unique_by=lambda money: money.currency),
    dead_letters=st.lists(_letters, max_size=1).map(tuple),
    timed_out_ids=_ids,
    unmatched_ids=_ids,
    **dict.fromkeys(COUNTS, _numbers),
)


def added_up(rows: list[StatsRow], *, is_compiled: bool) -> list[StatsSecond]:
    feed = Feed()
    feed.partitions = 1
    with pytest.MonkeyPatch.context() as patch:
        if not is_compiled:
            patch.setattr(compiled, "lane", None)
        return feed.take(Stats(0, 8, [StatsSecond(7, rows)]))


@settings(max_examples=500)
@given(rows=st.lists(_rows, max_size=8))
def test_rows_are_added_up_the_same(rows: list[StatsRow]) -> None:
    again = msgspec.convert(msgspec.to_builtins(rows), list[StatsRow])

    assert added_up(rows, is_compiled=True) == added_up(again, is_compiled=False)


def test_a_row_that_is_alone_in_its_scope_is_the_very_same() -> None:
    row, other = StatsRow("pg", submitted=2), StatsRow("acme")

    (second,) = added_up([row, other], is_compiled=True)

    assert second.rows == [other, row]
    assert second.rows[1] is row


def test_what_is_no_row_is_not_added_up() -> None:
    with pytest.raises(TypeError, match="5 is no row"):
        compiled.sums.added_up([5])  # type: ignore[list-item] # On purpose.


_signs = st.lists(st.sampled_from([0, 0, 1, -2, 2**62, 2**70]), min_size=COUNT, max_size=COUNT)


@given(all_signs=st.lists(_signs, max_size=5))
def test_signs_are_added_up_the_same_and_none_is_changed_but_the_sum(
    all_signs: list[Signs],
) -> None:
    given, sums = [signs[:] for signs in all_signs], []
    for is_compiled in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not is_compiled:
                patch.setattr(compiled, "lane", None)
            table: Table = {}
            for signs in all_signs:
                put(table, ("pg", None, None), signs)
        sums.append(table)

    assert sums[0] == sums[1]
    assert all_signs == given


def test_signs_of_other_places_are_refused() -> None:
    with pytest.raises(ValueError, match="2 signs for 3 places"):
        compiled.sums.add_signs([1, 2, 3], [1, 2])
