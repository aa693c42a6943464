"""The orders that are kept, in both forms: what is there, what changed, what may be due."""

import random
import tracemalloc
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import compiled
from streams.core.kept import Orders
from streams.core.packing import effect_of
from streams.core.timers import Timers

orders = pytest.importorskip("streams.core.compiled.orders", reason="there was no C compiler")
hints = pytest.importorskip("streams.core.compiled.hints")

START_MS: Final = 1_767_225_600_000


def packed(effect_ms: int, rest: bytes = b"") -> bytes:
    """What looks like an order as far as these look."""
    return b"\1\1\0" + effect_ms.to_bytes(8, "little") + rest


def python_form() -> tuple[Any, Any]:
    kept = Orders()

    def effect(key: bytes) -> int | None:
        found = kept.get(key)
        return None if found is None else effect_of(found)

    return kept, Timers(effect, kept)


def both_forms() -> list[tuple[Any, Any]]:
    return [python_form(), compiled.kept() or python_form()]


_keys = st.one_of(
    st.integers(0, 12).map(lambda number: b"order-%d" % number),
    st.sampled_from([b"", b"k", b"x" * 510, b"x" * 509, b"12345678", b"123456789"]),
)
_effects = st.integers(0, 60).map(lambda ms: START_MS + ms)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _keys, _effects, st.binary(max_size=40)),
        st.tuples(st.just("put"), _keys, _effects, st.binary(max_size=40)),
        st.tuples(st.just("take_out"), _keys),
        st.tuples(st.just("changes")),
        st.tuples(st.just("forget")),
        st.tuples(st.just("due"), _effects, st.integers(1, 4)),
        st.tuples(st.just("sweep"), st.integers(1, 5)),
        st.tuples(st.just("rebuild")),
    ),
    max_size=80,
)


def step(form: tuple[Any, Any], move: tuple[Any, ...]) -> Any:
    """What one form says of a move."""
    kept, timers = form
    match move:
        case ("put", key, effect_ms, rest):
            kept.put(key, packed(effect_ms, rest))
            timers.add(effect_ms, key)
        case ("take_out", key):
            return kept.take_out(key) if key in kept else None
        case ("changes",):
            return dict(kept.take_changes(b"o"))
        case ("due", to_ms, limit):
            due = timers.due(to_ms, limit)
            for key in due:  # As if each was settled, and kept for much longer.
                kept.put(key, packed(START_MS + 1_000))
                timers.add(START_MS + 1_000, key)
            return due
        case ("sweep", looks):
            timers.sweep(looks)
        case ("rebuild",):
            timers.rebuild(sorted(kept))
        case _:
            pass
    return None


@settings(max_examples=1_000)
@given(steps=_steps.filter(lambda steps: ("forget",) not in steps))
def test_both_forms_say_the_same(steps: list[Any]) -> None:
    python, in_c = both_forms()
    for move in steps:
        if move == ("rebuild",):  # Then hints have the order of keys in one, of slots in the other.
            continue
        assert step(python, move) == step(in_c, move)

        assert dict(python[0].items()) == dict(in_c[0].items())
        assert len(python[0]) == len(in_c[0])
        assert python[0].has_changes() >= in_c[0].has_changes()
        assert python[1].next_ms() == in_c[1].next_ms()
        overdue = [set(form[1].overdue(START_MS + 40, 100)) for form in (python, in_c)]
        assert overdue[0] == overdue[1]


@given(steps=_steps)
def test_whatever_comes_no_order_is_lost_and_all_are_due_in_the_end(steps: list[Any]) -> None:
    kept, timers = both_forms()[1]
    expected: dict[bytes, bytes] = {}
    for move in steps:
        found = step((kept, timers), move)
        match move:
            case ("put", key, effect_ms, rest):
                expected[key] = packed(effect_ms, rest)
            case ("take_out", key):
                assert found == expected.pop(key, None)
            case ("forget",):
                kept.forget_changes()
                assert not kept.has_changes()
            case ("due", *_):
                expected.update(dict.fromkeys(found, packed(START_MS + 1_000)))
            case _:
                pass

    assert dict(kept.items()) == expected
    assert set(timers.due(2**60, 10_000)) == set(expected)


def test_of_many_orders_that_come_and_go_each_is_found() -> None:
    """So many that some ten pairs of them have the same hash of 32 bits."""
    dice, kept, alive = random.Random(7), orders.Orders(), {}
    for number in range(300_000):
        key = b"order-%d" % number
        alive[key] = packed(number, b"x" * dice.randrange(30))
        kept.put(key, alive[key])
        if number % 3 == 0:
            gone = dice.choice(list(alive)) if number % 3_000 == 0 else next(iter(alive))
            assert kept.take_out(gone) == alive.pop(gone)

    assert len(kept) == len(alive) == 200_000
    assert all(kept.get(key) == value for key, value in alive.items())
    assert kept.get(b"order-0") is None
    assert b"order-300000" not in kept
    assert dict(kept.take_changes()) == alive


def test_it_is_a_mapping() -> None:
    kept = orders.Orders()
    kept.put(b"b", packed(1))
    kept.put(b"a", packed(2))

    assert sorted(kept) == [b"a", b"b"]
    assert dict(kept) == {b"a": packed(2), b"b": packed(1)}
    assert sorted(kept.values()) == sorted([packed(1), packed(2)])
    assert kept[b"a"] == packed(2)
    assert kept.get(b"c", b"none") == b"none"
    with pytest.raises(KeyError):
        kept[b"c"]
    with pytest.raises(KeyError):
        kept.take_out(b"c")


def test_what_is_no_order_is_not_kept() -> None:
    kept = orders.Orders()

    with pytest.raises(AssertionError, match="that is no order"):
        kept.put(b"k", b"short")

    assert len(kept) == 0


def test_who_goes_through_them_may_change_them() -> None:
    kept = orders.Orders()
    for number in range(100):
        kept.put(b"%d" % number, packed(number))

    for key in kept.keys():  # noqa: SIM118 # What `keys` gives is what this is about.
        kept.take_out(key)

    assert len(kept) == 0


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_the_memory_of_what_is_gone_is_let_go() -> None:
    sizes = []
    for _ in range(3):
        kept, timers = compiled.kept() or python_form()
        for number in range(5_000):
            kept.put(b"order-%d" % number, packed(START_MS + number, b"x" * 100))
            kept.put(b"order-%d" % number, packed(START_MS + number, b"y" * 50))
            timers.add(START_MS + number, b"order-%d" % number)
        kept.take_changes()
        assert len(timers.due(START_MS + 2_500, 10_000)) == 2_500
        for number in range(5_000):
            kept.take_out(b"order-%d" % number)
        kept.take_changes()
        del kept, timers
        sizes.append(tracemalloc.get_traced_memory()[0])

    assert sizes[2] - sizes[1] < 2_000
