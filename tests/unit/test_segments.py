"""Closed segments in the changelog live until none of their orders is remembered."""

from streams.core.closed import Closed, ClosedOrders, order_hash
from streams.state.changelog import Segments, segment_key


def closings(*times_ms: int) -> bytes:
    closed = ClosedOrders(remember_ms=1_000)
    return b"".join(
        closed.add(order_hash(b"%d" % at), Closed(1, "accepted", at)) for at in times_ms
    )


def test_a_segment_is_kept_until_its_newest_closing_is_forgotten() -> None:
    segments = Segments(1_000, next_number=7)
    packed = closings(10_000, 15_000)
    segments.records(packed, 15_000)

    still_needed = segments.records(b"", 16_000)
    no_longer = segments.records(b"", 16_001)

    assert still_needed == []
    assert no_longer == [(segment_key(7), None)]


def test_numbers_go_on_where_the_last_header_stood() -> None:
    segments = Segments(1_000, next_number=7)

    ((key, _),) = segments.records(closings(10_000), 10_000)

    assert key == segment_key(7)
    assert segments.next_number == 8


def test_many_closings_are_kept_in_segments_that_a_broker_takes() -> None:
    segments = Segments(1_000, next_number=0)
    packed = closings(*range(10_000, 35_000))

    records = segments.records(packed, 35_000)

    assert [len(value or b"") for _, value in records] == [240_000, 240_000, 120_000]
    assert b"".join(value or b"" for _, value in records) == packed
