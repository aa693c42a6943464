"""Garbage of every kind is a value that says what is wrong, on both topics."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.records import Record, Unreadable
from tests.events import read_return, read_submission
from tests.unit.schemas.samples import KEY, RETURN, SUBMISSION, raw_record, record_of

Read = Callable[[Record], Any]

GARBAGE: dict[str, tuple[bytes | None, str]] = {
    "tombstone": (None, "is null (a tombstone)"),
    "empty": (b"", "is empty"),
    "blank": (b" \n", "is not JSON (line 2 column 0)"),
    "text": (b"hello", "is not JSON (line 1 column 1)"),
    "cut off": (b'{"order_id":"a","sub', "is not JSON (line 1 column 20)"),
    "two objects": (b"{}{}", "is not JSON (line 1 column 3)"),
    "bad UTF-8": (b'{"order_id":"\xff"}', "is not UTF-8 at byte 13"),
    "UTF-16": ("{}".encode("utf-16"), "is not UTF-8 at byte 0"),
    "byte order mark": (b"\xef\xbb\xbf{}", "is not JSON: it begins with a byte order mark"),
    "NaN": (b"NaN", "is JSON but not an object"),
    "array": (b'[{"order_id":"a"}]', "is JSON but not an object"),
    "number": (b"1", "is JSON but not an object"),
    "null": (b"null", "is JSON but not an object"),
    "string": (b'"{}"', "is JSON but not an object"),
    "deep array": (b"[" * 100_000 + b"]" * 100_000, "is nested deeper than 200 levels"),
    "deep object": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "is nested deeper than 200 levels"),
    "deep beside half an emoji": (
        b'{"b":"\\ud83d","a":' + b"[" * 100_000,
        "is not JSON",
    ),
    "half an emoji and broken": (b'{"a":"\\ud83d"', "is not JSON"),
    "zeros": (b"\0" * 100, "is not JSON (line 1 column 1)"),
    "a megabyte": (b"x" * 1_000_000, "is not JSON (line 1 column 1)"),
    "an integer of 5000 digits": (b'{"a":' + b"9" * 5_000 + b"}", "is not JSON"),
    "Avro": (b"\x00\x00\x00\x00\x01\x06abc", "is not JSON (line 1 column 1)"),
}


@pytest.mark.parametrize("read", [read_submission, read_return])
@pytest.mark.parametrize("kind", GARBAGE)
def test_a_value_that_is_no_object_is_one_problem(read: Read, kind: str) -> None:
    value, reason = GARBAGE[kind]
    record = raw_record(value)

    unreadable = read(record)

    assert isinstance(unreadable, Unreadable)
    assert unreadable.record is record
    (problem,) = unreadable.problems
    assert problem.field == "value"
    assert problem.problem.startswith(reason)
    assert problem.hint.startswith('{"order_id":"order-4711"')


@pytest.mark.parametrize("read, fields", [(read_submission, SUBMISSION), (read_return, RETURN)])
@pytest.mark.parametrize(
    "key, reason",
    [
        (None, "is missing; it must be the order_id in UTF-8"),
        (b"", 'must be the order_id in UTF-8, not ""'),
        (b"other", 'must be the order_id in UTF-8, not "other"'),
        (KEY.upper(), f'must be the order_id in UTF-8, not "{KEY.decode().upper()}"'),
        (b"\xff" + KEY, "is not UTF-8 at byte 0"),
    ],
)
def test_a_key_unlike_the_order_id_is_named(
    read: Read, fields: dict[str, Any], key: bytes | None, reason: str
) -> None:
    unreadable = read(record_of(fields, key=key))

    assert isinstance(unreadable, Unreadable)
    assert unreadable.problems == (("key", reason, "order-4711"),)


@pytest.mark.parametrize(
    "read, fields, name",
    [
        (read_submission, SUBMISSION, "submitted_at"),
        (read_return, RETURN, "returned_at"),
    ],
)
@pytest.mark.parametrize("seconds", [1_767_225_600, 1_767_225_600.25])
def test_a_time_in_seconds_is_told_as_that_with_the_time_that_was_meant(
    read: Read, fields: dict[str, Any], name: str, *, seconds: float
) -> None:
    unreadable = read(record_of(fields | {name: seconds}))

    assert isinstance(unreadable, Unreadable)
    (problem,) = unreadable.problems
    assert problem.field == name
    assert problem.problem.endswith(
        f"not {seconds}, which looks like seconds: times 1000 it is right"
    )
    assert problem.hint == str(int(seconds * 1_000))


def test_a_key_in_another_unicode_form_is_another_key() -> None:
    fields = SUBMISSION | {"order_id": "caf\u00e9"}

    unreadable = read_submission(record_of(fields, key="cafe\u0301".encode()))

    assert isinstance(unreadable, Unreadable)


def test_no_key_and_no_value_are_two_problems() -> None:
    unreadable = read_return(raw_record(None, key=None))

    assert isinstance(unreadable, Unreadable)
    assert [problem.field for problem in unreadable.problems] == ["key", "value"]


@pytest.mark.parametrize(
    "value",
    ["A" * 1_000_000, "\u2028" * 100, "\0" * 100, "\ud83d" * 100, 10**4_299, ["A" * 100], {"A": 1}],
)
def test_a_problem_repeats_at_most_40_characters_of_the_sender(value: Any) -> None:
    unreadable = read_submission(record_of(SUBMISSION | {"attempt": value}))

    assert isinstance(unreadable, Unreadable)
    (problem,) = unreadable.problems
    own = "must be an integer from 1 to 255, not "
    assert len(problem.problem) <= len(own) + 40 + len("...")
    assert problem.problem.encode()


def test_a_long_key_is_not_repeated() -> None:
    unreadable = read_submission(record_of(SUBMISSION, key=b"k" * 1_000_000))

    assert isinstance(unreadable, Unreadable)
    assert len(unreadable.problems[0].problem) < 100


def test_a_record_without_a_timestamp_still_gets_a_usable_hint() -> None:
    record = replace(record_of(SUBMISSION), timestamp_ms=-1)

    unreadable = read_submission(record)

    assert isinstance(unreadable, Unreadable)
    assert unreadable.problems[0].hint == "946684800000"
