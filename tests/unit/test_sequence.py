"""One sequence out of two topics: what may be handed over, what is released, where it stands."""

import os
from typing import Final

import pytest

from schemas.records import RETURNED, SUBMITTED, Record
from streams.core import compiled
from streams.core.sequence import NEVER_MS, Mark, OffsetGap, Stretch


@pytest.fixture(autouse=True, params=["compiled", "python"])
def _form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both forms of it do the same."""
    if request.param == "python":
        monkeypatch.setattr(compiled, "lane", None)
    elif not compiled.is_there():
        assert "CI" not in os.environ, "the core was not compiled"
        pytest.skip("the core was not compiled: there was no C compiler")


def new_sequence(
    submitted: int = 0, returned: int = 0, frontier_ms: int = NEVER_MS
) -> compiled.AnySequence:
    return compiled.sequence_of((Mark(submitted), Mark(returned)), frontier_ms)


def stretch(from_offset: int, *times_ms: int, next_offset: int | None = None) -> Stretch:
    """Records one after the other from an offset on, at these times."""
    records = [Record(from_offset + at, ms, b"k", b"v", ()) for at, ms in enumerate(times_ms)]
    end = from_offset + len(records) if next_offset is None else next_offset
    return Stretch(from_offset, end, records)


def places(entries: list[tuple]) -> list[tuple[int, int, int]]:
    """(arrival, side, offset) of each."""
    return [entry[:3] for entry in entries]


LATE: Final = 10_000


def test_a_stretch_that_does_not_begin_where_the_last_one_ended_is_refused() -> None:
    sequence = new_sequence()
    sequence.feed(SUBMITTED, stretch(0, 1, 2))

    with pytest.raises(OffsetGap, match="expected offset 2, was handed 3 to 4"):
        sequence.feed(SUBMITTED, stretch(3, 5))
    with pytest.raises(OffsetGap, match="expected offset 2, was handed 1 to 2"):
        sequence.feed(SUBMITTED, stretch(1, 5))
    with pytest.raises(OffsetGap):
        sequence.feed(SUBMITTED, stretch(2, next_offset=1))

    assert sequence.position(SUBMITTED) == 2


def test_offsets_without_records_move_the_position_on() -> None:
    sequence = new_sequence(submitted=5)

    sequence.feed(SUBMITTED, stretch(5, next_offset=9))
    sequence.feed(SUBMITTED, stretch(9, 1))

    assert sequence.position(SUBMITTED) == 10


def test_records_are_released_by_arrival_then_submitted_first_then_offset() -> None:
    sequence = new_sequence()
    sequence.feed(RETURNED, stretch(0, 10, 20, LATE))
    sequence.feed(SUBMITTED, stretch(0, 10, 10, 30, LATE))

    entries = sequence.take(LATE)

    assert places(entries) == [
        (10, SUBMITTED, 0),
        (10, SUBMITTED, 1),
        (10, RETURNED, 0),
        (20, RETURNED, 1),
        (30, SUBMITTED, 2),
    ]


def test_arrival_never_goes_backwards() -> None:
    sequence = new_sequence()
    sequence.feed(SUBMITTED, stretch(0, 20, 10, LATE))
    sequence.feed(RETURNED, stretch(0, LATE))

    assert places(sequence.take(LATE)) == [(20, SUBMITTED, 0), (20, SUBMITTED, 1)]


def test_the_frontier_is_that_of_the_side_that_is_behind() -> None:
    sequence = new_sequence()
    sequence.feed(SUBMITTED, stretch(0, 10, 20, 30))
    sequence.feed(RETURNED, stretch(0, 20))

    entries = sequence.take(LATE)

    assert sequence.frontier_ms == 20
    assert places(entries) == [(10, SUBMITTED, 0)]
    assert (sequence.buffered(SUBMITTED), sequence.buffered(RETURNED)) == (2, 1)
    assert sequence.first_waiting_ms() == 20
    assert (sequence.is_ahead(SUBMITTED), sequence.is_ahead(RETURNED)) == (True, False)


def test_the_frontier_passes_no_limit_and_never_goes_backwards() -> None:
    sequence = new_sequence()
    for side in (SUBMITTED, RETURNED):
        sequence.feed(side, stretch(0, LATE))

    sequence.take(700)
    at_700 = sequence.frontier_ms
    sequence.take(300)

    assert (at_700, sequence.frontier_ms) == (700, 700)


def test_a_record_behind_the_frontier_is_worked_just_before_it_and_counted() -> None:
    sequence = new_sequence(frontier_ms=100)
    sequence.feed(SUBMITTED, stretch(0, 40, LATE))
    sequence.feed(RETURNED, stretch(0, LATE))

    (entry,) = sequence.take(LATE)

    assert (entry[0], entry[5]) == (99, 40)
    assert sequence.records_behind_frontier == 1


def test_marks_never_pass_a_record_that_waits() -> None:
    sequence = new_sequence()
    sequence.feed(SUBMITTED, stretch(0, 10, 20, 30, next_offset=8))
    sequence.feed(RETURNED, stretch(0, 20, next_offset=4))
    sequence.take(LATE)

    submitted, returned = sequence.marks()

    assert (submitted.next_offset, submitted.arrival_ms) == (1, 10)
    assert submitted.last is not None
    assert submitted.last.offset == 0
    assert (returned.next_offset, returned.last) == (0, None)


def test_with_nothing_waiting_a_mark_stands_behind_markers_too() -> None:
    sequence = new_sequence()
    for side in (SUBMITTED, RETURNED):
        sequence.feed(side, stretch(0, 10, next_offset=3))
        sequence.prove(side, 3, 50)

    sequence.take(LATE)

    assert [mark.next_offset for mark in sequence.marks()] == [3, 3]
    assert sequence.first_waiting_ms() is None


def test_a_watermark_proves_nothing_before_the_position_has_reached_it() -> None:
    sequence = new_sequence()

    early = sequence.prove(SUBMITTED, 2, 500)
    unproven_ms = sequence.complete_ms(SUBMITTED)
    sequence.feed(SUBMITTED, stretch(0, next_offset=2))
    reached = sequence.prove(SUBMITTED, 2, 500)

    assert (early, unproven_ms) == (False, NEVER_MS)
    assert (reached, sequence.complete_ms(SUBMITTED)) == (True, 500)


def test_a_proof_for_an_earlier_time_takes_nothing_back() -> None:
    sequence = new_sequence()
    sequence.prove(SUBMITTED, 0, 500)

    sequence.prove(SUBMITTED, 0, 400)

    assert sequence.complete_ms(SUBMITTED) == 500


def test_two_silent_sides_move_on_when_both_are_proven() -> None:
    sequence = new_sequence()
    sequence.prove(SUBMITTED, 0, 500)
    sequence.take(LATE)
    with_one = sequence.frontier_ms

    sequence.prove(RETURNED, 0, 400)
    sequence.take(LATE)

    assert (with_one, sequence.frontier_ms) == (NEVER_MS, 400)
