"""What a family of signs needs is what its share counts."""

from hypothesis import given
from hypothesis import strategies as st

from streams.core.incidents.families import FAMILIES, may_show
from streams.core.incidents.signs import COUNT, Signs, total

SIGNS = st.lists(st.integers(0, 3), min_size=COUNT, max_size=COUNT)


@given(st.lists(SIGNS, max_size=5), st.sampled_from(sorted(FAMILIES)))
def test_no_part_shows_a_family_that_the_sums_rule_out(parts: list[Signs], family: str) -> None:
    is_shown = any(FAMILIES[family](signs)[0] for signs in parts)

    assert may_show(family, total(parts)) or not is_shown
