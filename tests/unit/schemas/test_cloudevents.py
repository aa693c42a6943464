"""Records that come as CloudEvents."""

import base64
import json
from typing import Any

import pytest

from schemas.records import Unreadable
from tests.events import read_return, read_submission
from tests.unit.schemas.samples import RETURN, SUBMISSION, TRACEPARENT, raw_record, record_of

STRUCTURED = (("content-type", b"application/cloudevents+json"),)
ENVELOPE = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.submitted.v1"}


def test_in_binary_mode_the_value_is_the_data() -> None:
    headers = (("ce_specversion", b"1.0"), ("content-type", b"application/json"))

    assert read_submission(record_of(SUBMISSION, headers=headers)) == SUBMISSION


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents+json",
        b"application/cloudevents+json; charset=utf-8",
        b"Application/CloudEvents+JSON ;charset=UTF-8",
    ],
)
@pytest.mark.parametrize("name", ["content-type", "Content-Type"])
def test_in_structured_mode_the_data_is_read(name: str, content_type: bytes) -> None:
    headers = ((name, content_type),)

    assert read_submission(record_of(ENVELOPE | {"data": SUBMISSION}, headers=headers)) == (
        SUBMISSION
    )
    assert read_return(record_of(ENVELOPE | {"data": RETURN}, headers=headers)) == RETURN


def test_data_may_be_base64() -> None:
    data = base64.b64encode(json.dumps(SUBMISSION).encode()).decode()

    assert read_submission(record_of(ENVELOPE | {"data_base64": data}, headers=STRUCTURED)) == (
        SUBMISSION
    )


def test_a_slip_in_structured_mode_counts_as_absent() -> None:
    event = read_return(record_of(ENVELOPE | {"data": RETURN | {"message": 1}}, headers=STRUCTURED))

    assert not isinstance(event, Unreadable)
    assert event.get("slips") == ("message",)


def test_a_wrong_field_of_the_data_is_named_as_in_a_plain_record() -> None:
    fields = SUBMISSION | {"attempt": 0}

    structured = read_submission(record_of(ENVELOPE | {"data": fields}, headers=STRUCTURED))
    plain = read_submission(record_of(fields))

    assert isinstance(structured, Unreadable)
    assert isinstance(plain, Unreadable)
    assert structured.problems == plain.problems


@pytest.mark.parametrize(
    "extra, reason",
    [
        ({}, "is a CloudEvent without data"),
        ({"data": None}, "is a CloudEvent without data"),
        ({"data": "text"}, "is a CloudEvent whose data is not a JSON object"),
        ({"data": [SUBMISSION]}, "is a CloudEvent whose data is not a JSON object"),
        ({"data": 0}, "is a CloudEvent whose data is not a JSON object"),
        ({"data_base64": 7}, "is a CloudEvent without data"),
        ({"data_base64": "***"}, "is a CloudEvent whose data_base64 is not base64"),
        ({"data_base64": "é"}, "is a CloudEvent whose data_base64 is not base64"),
        ({"data_base64": "\ud800"}, "is a CloudEvent whose data_base64 is not base64"),
        ({"data_base64": ""}, "is empty"),
        ({"data_base64": "AAAA"}, "is not JSON (line 1 column 1)"),
    ],
)
def test_an_event_without_readable_data_is_a_problem(extra: dict[str, Any], reason: str) -> None:
    unreadable = read_submission(record_of(ENVELOPE | extra, headers=STRUCTURED))

    assert isinstance(unreadable, Unreadable)
    assert [(p.field, p.problem) for p in unreadable.problems] == [("value", reason)]


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"\xff"])
def test_garbage_in_structured_mode_is_unreadable(value: bytes | None) -> None:
    assert isinstance(read_return(raw_record(value, headers=STRUCTURED)), Unreadable)


def test_of_two_content_types_the_last_counts() -> None:
    headers = (*STRUCTURED, ("content-type", b"application/json"))

    assert read_submission(record_of(SUBMISSION, headers=headers)) == SUBMISSION


@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "ce_traceparent"])
def test_a_traceparent_header_goes_into_the_submission(name: str) -> None:
    headers = ((name, TRACEPARENT.encode()),)

    assert read_submission(record_of(SUBMISSION, headers=headers)) == (
        SUBMISSION | {"traceparent": TRACEPARENT}
    )


def test_a_structured_event_may_carry_the_traceparent_itself() -> None:
    event = ENVELOPE | {"data": SUBMISSION, "traceparent": TRACEPARENT}

    assert read_submission(record_of(event, headers=STRUCTURED)) == (
        SUBMISSION | {"traceparent": TRACEPARENT}
    )


@pytest.mark.parametrize(
    "traceparent",
    [
        b"",
        b"00",
        b"\xff" * 55,
        TRACEPARENT.upper().encode(),
        TRACEPARENT.encode() + b"\n",
        b"ff" + TRACEPARENT[2:].encode(),
        b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-" + b"0" * 16 + b"-01",
    ],
)
def test_a_wrong_traceparent_is_left_out(traceparent: bytes) -> None:
    assert read_submission(record_of(SUBMISSION, headers=(("traceparent", traceparent),))) == (
        SUBMISSION
    )


@pytest.mark.parametrize("traceparent", [1, None, [], "x", "é" * 55, "\ud800" * 55])
def test_a_wrong_traceparent_attribute_is_left_out(traceparent: Any) -> None:
    event = ENVELOPE | {"data": SUBMISSION, "traceparent": traceparent}

    assert read_submission(record_of(event, headers=STRUCTURED)) == SUBMISSION


@pytest.mark.parametrize("name", ["content-type", "traceparent", "ce_traceparent", "other"])
def test_a_header_without_a_value_harms_nothing(name: str) -> None:
    # Kafka allows null where the type of a record, for the sake of all others, says bytes.
    nothing: Any = None
    record = record_of(SUBMISSION, headers=((name, nothing),))

    assert read_submission(record) == SUBMISSION
