"""What the owner of incidents keeps: cut into records, put together again, never half of it."""

import pytest

from schemas.records import Record
from streams.core.kept import KeyValue
from streams.incidents.state import PIECE_BYTES_MAX, IncidentsState, Kept, records_of
from streams.state.header import StateError


def restored(*checkpoints: list[KeyValue]) -> Kept | None:
    state = IncidentsState()
    for rows in checkpoints:
        state.take_all([Record(0, 0, key, value, ()) for key, value in rows])
    return state.kept()


def test_what_was_kept_last_is_what_is_restored() -> None:
    pieces: dict[str, int] = {}
    large = Kept({0: 7, 1: 9}, {"desk": b"x" * (2 * PIECE_BYTES_MAX + 1), "limits": b"{}"})
    small = Kept({0: 8, 1: 9}, {"desk": b"y", "limits": b""})

    first = records_of(large, pieces)
    second = records_of(small, pieces)

    assert restored(first) == large
    assert restored(first, second) == small
    assert [value for _, value in second].count(None) == 3
    assert max(len(value or b"") for _, value in first) <= PIECE_BYTES_MAX


def test_nothing_kept_yet_is_no_state() -> None:
    assert restored() is None


def test_a_changelog_that_lost_a_piece_is_refused_not_half_read() -> None:
    rows = records_of(Kept({0: 7}, {"desk": b"x" * (PIECE_BYTES_MAX + 1)}), {})

    with pytest.raises(StateError, match="has lost records"):
        restored(rows[1:])


@pytest.mark.parametrize("header", [b"{}", b"[]", b"none", b'{"format_version": 99}'])
def test_a_header_of_something_else_is_refused(header: bytes) -> None:
    with pytest.raises(StateError):
        restored([(b"h", header)])


def test_a_record_of_something_else_is_refused() -> None:
    with pytest.raises(StateError, match="with the key"):
        restored([(b"o1", b"")])
