"""Records set aside."""

import json

from schemas.codec import dead_letter_headers
from schemas.deadletters import DeadLetter
from schemas.records import RETURNED, Unreadable
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
