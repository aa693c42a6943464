"""What a partition's state is put together from, and what is refused as none of ours."""

import pytest

from streams.core.closed import Closed, ClosedOrders, order_hash
from streams.state.changelog import (
    HEADER_KEY,
    Segment,
    State,
    order_key,
    policy_key,
    segment_key,
    segments_of,
)
from streams.state.header import Header, Progress, StateError, encode_header


def a_header(frontier_ms: int) -> Header:
    start = Progress(0, -1, None)
    return Header(start, start, frontier_ms, 1, "d", 0, False, None, 0)


def segment(*times_ms: int) -> bytes:
    closed = ClosedOrders(1_000)
    return b"".join(
        closed.add(order_hash(b"%d" % at), Closed(1, "accepted", at)) for at in times_ms
    )


def test_the_last_record_of_each_key_is_the_state() -> None:
    state = State()
    for key, value in (
        (order_key(b"a"), b"old"),
        (order_key(b"b"), b"b's"),
        (segment_key(1), b"c1"),
        (policy_key("d1"), b"{}"),
        (HEADER_KEY, encode_header(a_header(1))),
        (order_key(b"a"), b"new"),
        (HEADER_KEY, encode_header(a_header(2))),
    ):
        state.take(key, value)

    assert state.orders == {b"a": b"new", b"b": b"b's"}
    assert state.segments == {1: b"c1"}
    assert state.policies == {"d1": "{}"}
    assert state.header == a_header(2)


def test_a_tombstone_takes_away_also_what_was_compacted_before() -> None:
    state = State()
    state.take(order_key(b"a"), b"a's")
    state.take(segment_key(1), b"c1")

    for key in (order_key(b"a"), order_key(b"gone"), segment_key(1), segment_key(9), HEADER_KEY):
        state.take(key, None)

    assert state == State()


@pytest.mark.parametrize("order_id", ["h", "c", "", "ü/3", "o", "s"])
def test_an_order_id_never_collides_with_another_kind_of_record(order_id: str) -> None:
    state = State()

    state.take(order_key(order_id.encode()), b"x")

    assert state == State(orders={order_id.encode(): b"x"})


@pytest.mark.parametrize("key", [None, b"", b"x", b"header", b"H"])
def test_a_record_that_is_none_of_ours_is_refused(key: bytes | None) -> None:
    with pytest.raises(StateError, match="not ours"):
        State().take(key, b"x")


def test_segments_are_known_by_number_and_newest_closing() -> None:
    state = State(segments={300: segment(5, 9), 2: segment(1)})

    assert segments_of(state) == [Segment(2, 1), Segment(300, 9)]


@pytest.mark.parametrize("damaged", [b"x" * 23, segment(5)[:-1], b""])
def test_a_damaged_segment_is_a_state_error(damaged: bytes) -> None:
    with pytest.raises(StateError, match="damaged record"):
        segments_of(State(segments={1: damaged}))


def test_a_damaged_policy_is_a_state_error() -> None:
    with pytest.raises(StateError):
        State().take(policy_key("d1"), b"\xff")
