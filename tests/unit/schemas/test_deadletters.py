"""Records set aside."""

import json

from msgspec.structs import replace

from schemas.codec import dead_letter_headers
from schemas.deadletters import DeadLetter, Requeued, marker, read_letter, read_marker
from schemas.records import RETURNED, Record, Unreadable
from tests.events import read_return
from tests.unit.schemas.samples import RETURN, record_of

OWN = (("content-type", b"application/json"), ("x", b"\xff"), ("x", b""))


def dead_letter(behind: tuple[int, int] | None = None) -> DeadLetter:
    unreadable = read_return(record_of(RETURN | {"outcome": "löst", "attempt": 0}, headers=OWN))
    assert isinstance(unreadable, Unreadable)
    return DeadLetter(RETURNED, "order-returned", 3, unreadable, behind)


def test_the_record_s_own_headers_come_first_and_unchanged() -> None:
    assert tuple(dead_letter_headers(dead_letter())[:3]) == OWN


def test_the_headers_say_where_the_record_stood_and_why_it_is_here() -> None:
    headers = dict(dead_letter_headers(dead_letter())[3:])

    problems = json.loads(headers.pop("returnwatch-problems"))
    assert headers == {
        "__streams.errors.exception": b"returnwatch.UnreadableRecord",
        "__streams.errors.message": (
            'outcome must be one of accepted, rejected, cancelled, pending, error, not "löst"; '
            "attempt must be an integer from 1 to 255, not 0"
        ).encode(),
        "__streams.errors.topic": b"order-returned",
        "__streams.errors.partition": b"3",
        "__streams.errors.offset": b"7",
    }
    assert problems == [
        {
            "field": "outcome",
            "problem": ('must be one of accepted, rejected, cancelled, pending, error, not "löst"'),
            "hint": '"accepted"',
        },
        {
            "field": "attempt",
            "problem": "must be an integer from 1 to 255, not 0",
            "hint": "1",
        },
    ]


def test_a_record_behind_the_frontier_is_marked() -> None:
    assert dead_letter_headers(dead_letter(behind=(5, 4)))[-1] == (
        "returnwatch-behind-frontier",
        b"5/4",
    )


def stored(offset: int = 4) -> Record:
    letter = dead_letter()
    headers = dead_letter_headers(letter)
    return replace(letter.unreadable.record, offset=offset, headers=headers)


def test_a_letter_is_read_back_as_the_record_it_was_and_what_was_wrong() -> None:
    letter = read_letter(3, stored())

    assert letter is not None
    assert letter.place == (3, 4)
    assert (letter.topic, letter.origin_partition, letter.origin_offset) == ("order-returned", 3, 7)
    assert letter.problems == dead_letter().unreadable.problems
    assert letter.record == replace(dead_letter().unreadable.record, offset=4, headers=list(OWN))


def test_a_marker_is_no_letter_and_says_which_one_was_sent_again() -> None:
    letter = read_letter(3, stored())
    assert letter is not None
    mark = replace(marker(letter, letter.record, 3, fixes={"attempt": 1}), timestamp_ms=9)

    assert read_letter(3, mark) is None
    assert read_marker(mark) == Requeued((3, 4), 9, "order-returned", 3, {"attempt": 1})
    assert dict(mark.headers) == {"returnwatch-requeued": b"3:4"}


def test_a_letter_whose_record_had_a_marker_s_or_a_letter_s_headers_is_a_letter() -> None:
    own = [("returnwatch-requeued", b"1:2"), *stored().headers]
    letter = replace(stored(), headers=[*own, *stored().headers])

    read = read_letter(3, letter)
    assert read_marker(letter) is None
    assert read is not None
    assert read.record.headers == [*own, *OWN]


def test_what_is_neither_is_neither() -> None:
    for headers in ([], [("returnwatch-requeued", b"x")], stored().headers[:5]):
        record = Record(0, 0, b"k", b"{}", headers)

        assert read_letter(0, record) is None
        assert read_marker(record) is None
