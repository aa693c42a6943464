"""Whatever stands in a topic, reading it gives a value; and what can be written can be read."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import dead_letter_headers
from schemas.deadletters import DeadLetter
from schemas.records import Record, Unreadable
from tests.events import read_return, read_submission
from tests.unit.schemas.samples import KEY, NOW_MS, RETURN, SUBMISSION

Read = Callable[[Record], Any]
READERS = [(read_submission, SUBMISSION), (read_return, RETURN)]
each_side = pytest.mark.parametrize("read, fields", READERS)

any_text = st.text(st.characters(), max_size=300)  # lone surrogates too
scalars = st.none() | st.booleans() | st.integers() | st.floats() | any_text
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(any_text, inner))
headers = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "traceparent", "ce_id"]),
        st.sampled_from([b"application/cloudevents+json", b"application/json"]) | st.binary(),
    ),
    max_size=3,
)
keys = st.just(KEY) | st.none() | st.binary()
timestamps = st.just(NOW_MS) | st.integers(-1, 2**63 - 1)


def is_good_or_explained(read: Read, record: Record) -> bool:
    event = read(record)
    if not isinstance(event, Unreadable):
        return bool(event["order_id"].encode() == record.key)
    added = dict(dead_letter_headers(DeadLetter(0, "t", 0, event)))
    problems = json.loads(added["returnwatch-problems"])
    return bool(problems) and all(p["problem"] and p["hint"] for p in problems)


@each_side
@given(value=st.none() | st.binary(max_size=2_000), key=keys, headers=headers, time_ms=timestamps)
def test_random_bytes_never_raise(
    read: Read, fields: Any, value: bytes | None, key: bytes | None, headers: Any, time_ms: int
) -> None:
    assert is_good_or_explained(read, Record(0, time_ms, key, value, headers))


@each_side
@given(document=documents, key=keys, headers=headers)
def test_random_json_never_raises(
    read: Read, fields: Any, document: Any, key: bytes | None, headers: Any
) -> None:
    record = Record(0, NOW_MS, key, json.dumps(document).encode(), headers)

    assert is_good_or_explained(read, record)


@each_side
@given(data=st.data(), headers=headers, structured=st.booleans())
def test_a_right_record_with_random_fields_never_raises(
    read: Read, fields: dict[str, Any], data: st.DataObject, headers: Any, structured: bool
) -> None:
    names = st.sampled_from(sorted(fields))
    mutated = fields | data.draw(st.dictionaries(names, documents))
    document = {"data": mutated} if structured else mutated

    assert is_good_or_explained(
        read, Record(0, NOW_MS, KEY, json.dumps(document).encode(), headers)
    )


@each_side
@given(data=st.data())
def test_a_right_record_with_a_changed_byte_never_raises(
    read: Read, fields: dict[str, Any], data: st.DataObject
) -> None:
    value = bytearray(json.dumps(fields).encode())
    value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))

    assert is_good_or_explained(read, Record(0, NOW_MS, KEY, bytes(value), ()))


names = st.text(max_size=64)
money = st.fixed_dictionaries(
    {"amount_minor": st.integers(-(2**63), 2**63 - 1), "currency": st.from_regex(r"\A[A-Z]{3}\Z")}
)
submissions = st.fixed_dictionaries(
    {
        "order_id": st.text(min_size=1, max_size=128),
        "submitted_at": st.integers(946_684_800_000, NOW_MS + 86_400_000),
    },
    optional={
        "return_within_ms": st.none() | st.integers(1, 2_592_000_000),
        "attempt": st.none() | st.integers(1, 255),
        "kind": names,
        "provider": names,
        "merchant": names,
        "player": names,
    },
)
returns = st.fixed_dictionaries(
    {
        "order_id": st.text(min_size=1, max_size=128),
        "returned_at": st.integers(946_684_800_000, NOW_MS + 86_400_000),
        "outcome": st.sampled_from(["accepted", "rejected", "cancelled", "pending", "error"]),
    },
    optional={
        "attempt": st.integers(1, 255),
        "code": names,
        "message": st.none() | st.text(max_size=256),
        "provider": names,
    },
)


@pytest.mark.parametrize("read, events", [(read_submission, submissions), (read_return, returns)])
@given(data=st.data(), ascii_only=st.booleans())
def test_what_is_written_right_is_read_the_same(
    read: Read, events: st.SearchStrategy[Any], data: st.DataObject, ascii_only: bool
) -> None:
    event = data.draw(events) | data.draw(st.just({}) | money)
    value = json.dumps(event, ensure_ascii=ascii_only).encode()

    given = {name: field for name, field in event.items() if field is not None}
    assert read(Record(0, NOW_MS, event["order_id"].encode(), value, ())) == given
