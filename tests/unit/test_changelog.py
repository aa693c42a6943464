"""What a partition's state is put together from, and what is refused as none of ours."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from streams.core.closed import Closed, ClosedOrders, order_hash
from streams.state.changelog import (
    HEADER_KEY,
    ORDER,
    Segment,
    State,
    policy_key,
    segment_key,
    segments_of,
)
from streams.state.header import Header, Progress, StateError, encode_header, first_header


def a_header(frontier_ms: int) -> Header:
    start = Progress(0, -1, None)
    header = first_header((start, start), partitions=1, policy_digest="d")
    return replace(header, frontier_ms=frontier_ms)


def segment(*times_ms: int) -> bytes:
    closed = ClosedOrders(1_000)
    return b"".join(
        closed.add(order_hash(b"%d" % at), Closed(1, "accepted", at)) for at in times_ms
    )


def test_the_last_record_of_each_key_is_the_state() -> None:
    state = State()
    for key, value in (
        (ORDER + b"a", b"old"),
        (ORDER + b"b", b"b's"),
        (segment_key(1), b"c1"),
        (policy_key("d1"), b"{}"),
        (HEADER_KEY, encode_header(a_header(1))),
        (ORDER + b"a", b"new"),
        (HEADER_KEY, encode_header(a_header(2))),
    ):
        state.take(key, value)

    assert state.orders == {b"a": b"new", b"b": b"b's"}
    assert state.segments == {1: b"c1"}
    assert state.policies == {"d1": "{}"}
    assert state.header == a_header(2)


def test_a_tombstone_takes_away_also_what_was_compacted_before() -> None:
    state = State()
    state.take(ORDER + b"a", b"a's")
    state.take(segment_key(1), b"c1")

    for key in (ORDER + b"a", ORDER + b"gone", segment_key(1), segment_key(9), HEADER_KEY):
        state.take(key, None)

    assert state == State()


@pytest.mark.parametrize("order_id", ["h", "c", "", "ü/3", "o", "s"])
def test_an_order_id_never_collides_with_another_kind_of_record(order_id: str) -> None:
    state = State()

    state.take(ORDER + order_id.encode(), b"x")

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


# What the header counts.


def counted() -> State:
    """A whole state: two orders, segments 3 and 4, one text of rules."""
    header = replace(a_header(1), orders=2, segments=(3, 5))
    segments = {3: segment(5), 4: segment(9)}
    return State(header, {b"a": b"1", b"b": b"2"}, segments, {"d": "{}"})


def test_a_state_with_all_that_its_header_counts_is_whole() -> None:
    counted().check()
    State().check()


LOSSES: Final[dict[str, tuple[Callable[[State], Any], str]]] = {
    "an order": (lambda state: state.orders.pop(b"a"), "holds 1 orders, its header counts 2"),
    "a segment": (lambda state: state.segments.pop(4), "closed segments are missing"),
    "the first segment": (lambda state: state.segments.pop(3), "closed segments are missing"),
    "the rules": (lambda state: state.policies.clear(), "the text of its rules is missing"),
    "the header": (
        lambda state: setattr(state, "header", None),
        "records of orders, but no header",
    ),
}


@pytest.mark.parametrize("lost, told", LOSSES.values(), ids=LOSSES.keys())
def test_a_state_that_has_lost_anything_is_refused(lost: Callable[[State], Any], told: str) -> None:
    state = counted()
    lost(state)

    with pytest.raises(StateError, match=f"The changelog has lost records: .*{told}"):
        state.check()
