"""The index of deadlines: a hint, settled against what the orders themselves say."""

from hypothesis import given
from hypothesis import strategies as st

from streams.core.timers import Timers


def timers_of(effects: dict[bytes, int]) -> Timers:
    """Timers whose truth is the dict itself; change it, and the hints are out of date."""
    timers = Timers(effects.get, effects)
    for key, effect_ms in effects.items():
        timers.add(effect_ms, key)
    return timers


def test_what_takes_effect_before_the_time_is_due_and_nothing_else() -> None:
    timers = timers_of({b"a": 99, b"b": 100, b"c": 101})

    assert timers.due(100, 10) == [b"a"]
    assert timers.due(100, 10) == []
    assert sorted(timers.due(102, 10)) == [b"b", b"c"]


def test_no_more_than_the_limit_are_due_at_once_the_most_overdue_bucket_first() -> None:
    timers = timers_of({b"late": 1_000, b"later": 2_000, b"latest": 3_000})

    assert timers.due(9_000, 1) == [b"late"]
    assert timers.due(9_000, 2) == [b"later", b"latest"]


def test_a_hint_about_an_order_that_was_settled_or_moved_is_dropped() -> None:
    effects = {b"gone": 100, b"moved": 100, b"due": 100}
    timers = timers_of(effects)
    del effects[b"gone"]
    effects[b"moved"] = 5_000
    timers.add(5_000, b"moved")

    assert timers.due(1_000, 10) == [b"due"]
    assert timers.due(6_000, 10) == [b"moved"]


def test_the_next_timer_is_the_earliest_that_still_stands() -> None:
    effects = {b"a": 100, b"b": 105, b"c": 900}
    timers = timers_of(effects)

    first = timers.next_ms()
    del effects[b"a"], effects[b"b"]
    timers.due(200, 10)

    assert first == 100
    assert timers.next_ms() == 900


def test_an_earlier_timer_in_the_first_bucket_is_the_next_one() -> None:
    effects = {b"a": 110}
    timers = timers_of(effects)
    timers.next_ms()

    effects[b"b"] = 100
    timers.add(100, b"b")

    assert timers.next_ms() == 100


def test_an_empty_index_has_no_next_timer_and_nothing_due() -> None:
    timers = timers_of({})

    assert timers.next_ms() is None
    assert timers.due(9_000, 10) == []


def test_overdue_orders_are_counted_where_they_are() -> None:
    timers = timers_of({b"a": 10, b"b": 500, b"c": 900})

    found = timers.overdue(600, 10)

    assert sorted(found) == [b"a", b"b"]
    assert len(timers.overdue(9_000, 2)) == 2
    assert len(timers.due(9_000, 10)) == 3


def test_a_rebuilt_index_knows_the_new_hints_only() -> None:
    effects = {b"a": 10}
    timers = timers_of(effects)

    del effects[b"a"]
    effects[b"b"] = 700
    timers.rebuild(effects)

    assert timers.next_ms() == 700
    assert timers.due(9_000, 10) == [b"b"]


def test_a_sweep_lets_go_of_what_was_answered_and_of_nothing_else() -> None:
    effects = {b"%d" % number: number * 10 for number in range(1_000)}
    timers = timers_of(effects)
    answered = [key for number, key in enumerate(effects) if number % 4]
    for key in answered:
        del effects[key]

    for _ in range(50):
        timers.sweep(looks_max=50)

    assert timers.hints == len(effects)
    assert sorted(timers.due(20_000, 2_000)) == sorted(effects)


def test_a_sweep_looks_at_no_more_than_it_was_told_to_and_a_bucket() -> None:
    looks = 0

    def effect_of(key: bytes) -> int | None:
        nonlocal looks
        looks += 1
        return None

    keys = [b"%d" % number for number in range(1_000)]
    timers = Timers(effect_of, keys)
    for number, key in enumerate(keys):
        timers.add(number, key)

    timers.sweep(looks_max=1)
    timers.sweep(looks_max=100)

    assert 80 <= looks <= 100 + 16  # A bucket itself counts as a look, too.


_effects = st.integers(-40, 400)
_step = st.one_of(
    st.tuples(st.just("set"), st.sampled_from([b"a", b"b", b"c", b"d"]), _effects),
    st.tuples(st.just("drop"), st.sampled_from([b"a", b"b", b"c", b"d"]), st.just(0)),
    st.tuples(st.just("due"), st.just(b""), _effects),
    st.tuples(st.just("sweep"), st.just(b""), st.integers(1, 5)),
)


@given(steps=st.lists(_step, max_size=40), limit=st.integers(1, 3))
def test_every_order_is_due_when_its_own_timer_says_so(
    steps: list[tuple[str, bytes, int]], limit: int
) -> None:
    effects: dict[bytes, int] = {}
    timers = Timers(effects.get, effects)
    for what, key, at_ms in steps:
        if what == "set":
            effects[key] = at_ms
            timers.add(at_ms, key)
        elif what == "drop":
            effects.pop(key, None)
        elif what == "sweep":
            timers.sweep(looks_max=at_ms)
        else:
            due = {key for key, effect_ms in effects.items() if effect_ms < at_ms}
            while told := timers.due(at_ms, limit):
                assert len(told) <= limit
                assert set(told) <= due
                due -= set(told)
                for settled in told:
                    effects.pop(settled, None)
            assert due == set()
        next_ms, earliest_ms = timers.next_ms(), min(effects.values(), default=None)
        # It may be a little early, so that someone looks in vain, but never late.
        assert earliest_ms is None or (next_ms is not None and next_ms <= earliest_ms)


def test_many_timers_in_one_bucket_are_each_looked_at_a_few_times() -> None:
    looks = 0
    count = 100_000
    effects = {b"%d" % number: 1_000_000 for number in range(count)}

    def effect_of(key: bytes) -> int | None:
        nonlocal looks
        looks += 1
        return effects.get(key)

    timers = Timers(effect_of, effects)
    for key, effect_ms in effects.items():
        timers.add(effect_ms, key)
    while due := timers.due(2_000_000, 2_000):
        for key in due:
            del effects[key]
        timers.next_ms()

    assert not effects
    assert looks <= 3 * count
