"""The remembered closed orders against a dict: found for as long as they are remembered."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.closed import (
    ENTRY_BYTES,
    HASH_BYTES,
    Closed,
    ClosedOrders,
    closing_ms,
    entries_of,
    order_hash,
)

REMEMBER_MS: Final = 1_000

# Hashes that share a shelf, or overlap one another, are common among these and never in life.
_byte = st.sampled_from([b"\0", b"\1", b"\xff"])
_awkward = st.lists(_byte, min_size=HASH_BYTES, max_size=HASH_BYTES).map(b"".join)
_usual = st.integers(0, 300).map(lambda number: order_hash(b"%d" % number))
_hash = st.one_of(_usual, _awkward)
_closed = st.tuples(
    _hash, st.integers(1, 255), st.sampled_from(["accepted", "rejected", "cancelled"])
)
_step = st.tuples(_closed, st.sampled_from([0, 0, 1, 7, 400, 1_000, 1_001]), st.booleans())


@given(steps=st.lists(_step, max_size=200))
def test_it_finds_what_a_dict_would_while_it_is_remembered(
    steps: list[tuple[tuple[bytes, int, str], int, bool]],
) -> None:
    orders, model = ClosedOrders(REMEMBER_MS), dict[bytes, Closed]()
    now_ms = 1_767_225_600_000
    for (hashed, attempt, outcome), wait_ms, is_swept in steps:
        now_ms += wait_ms
        model[hashed] = Closed(attempt, outcome, now_ms)
        orders.add(hashed, model[hashed])
        if is_swept:
            orders.sweep(now_ms, 3)

        for known, closed in model.items():
            is_over = closed.closed_at_ms + REMEMBER_MS < now_ms
            assert orders.find(known, now_ms) == (None if is_over else closed)
    assert orders.count == len(list(orders))


def test_it_grows_without_losing_one() -> None:
    orders = ClosedOrders(REMEMBER_MS)
    keys = [f"order-{number}".encode() for number in range(10_000)]
    for attempt, key in enumerate(keys):
        orders.add(order_hash(key), Closed(attempt % 255 + 1, "rejected", attempt % 7))

    found = [orders.find(order_hash(key), REMEMBER_MS) for key in keys]

    assert found == [Closed(at % 255 + 1, "rejected", at % 7) for at in range(10_000)]
    assert orders.find(order_hash(b"another"), REMEMBER_MS) is None


def test_the_end_of_remember_is_exact() -> None:
    orders = ClosedOrders(REMEMBER_MS)
    orders.add(order_hash(b"k"), Closed(1, "accepted", 5_000))

    assert orders.find(order_hash(b"k"), 6_000) is not None
    assert orders.find(order_hash(b"k"), 6_001) is None


def test_of_several_closings_the_newest_is_found() -> None:
    orders = ClosedOrders(REMEMBER_MS)
    for attempt, outcome in ((1, "rejected"), (2, "accepted")):
        orders.add(order_hash(b"k"), Closed(attempt, outcome, 5_000))

    assert orders.find(order_hash(b"k"), 5_000) == Closed(2, "accepted", 5_000)


def test_what_has_expired_gives_its_memory_back() -> None:
    orders = ClosedOrders(REMEMBER_MS)
    for number in range(5_000):
        orders.add(order_hash(b"%d" % number), Closed(1, "accepted", 10))

    orders.sweep(2_000, 100_000)

    assert orders.count == 0
    assert list(orders) == []


def test_a_segment_gives_the_same_orders_back() -> None:
    before, after = ClosedOrders(REMEMBER_MS), ClosedOrders(REMEMBER_MS)
    closed = [(order_hash(b"%d" % at), Closed(at + 1, "cancelled", at)) for at in range(100)]
    segment = b"".join(before.add(hashed, it) for hashed, it in closed)

    for entry in entries_of(segment):
        after.add_packed(entry, closing_ms(entry))

    assert len(segment) == 100 * ENTRY_BYTES
    assert dict(after) == dict(closed)


def test_a_cut_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="23 bytes is not whole entries"):
        list(entries_of(b"x" * (ENTRY_BYTES - 1)))
