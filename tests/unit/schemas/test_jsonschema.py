"""The JSON Schema files."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.codec import encode_alert
from schemas.deadletters import dead_letter_headers
from schemas.jsonschema import FOLDER, schema_files
from schemas.records import Unreadable
from tests.events import read_return, read_submission
from tests.unit.schemas.samples import RETURN, SUBMISSION, record_of
from tests.unit.schemas.test_alerts import ALERT
from tests.unit.schemas.test_deadletters import dead_letter


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((FOLDER / f"{name}.json").read_bytes()))


def test_the_committed_files_are_what_the_types_make() -> None:
    committed = {path.name: path.read_bytes() for path in FOLDER.iterdir()}

    assert committed == schema_files(), "run: python -m schemas.jsonschema"


@pytest.mark.parametrize("name", schema_files())
def test_every_file_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(json.loads((FOLDER / name).read_bytes()))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"submitted_at": "2026-01-01T00:00:00Z"},
        {"submitted_at": None},
        {"submitted_at": 1},
        {"order_id": ""},
        {"attempt": 0},
        {"attempt": None},
        {"kind": "x" * 65},
        {"return_within_ms": 2_592_000_001},
        {"amount_minor": None},
        {"currency": None},
        {"amount_minor": None, "currency": None},
        {"amount_minor": 2**63},
        {"currency": "eur"},
        {"unknown": {}},
    ],
)
def test_schema_and_codec_agree_on_a_submission(changed: dict[str, Any]) -> None:
    fields = SUBMISSION | changed

    readable = not isinstance(read_submission(record_of(fields)), Unreadable)

    assert schema("order-submitted").is_valid(fields) == readable


@pytest.mark.parametrize(
    "changed", [{}, {"outcome": "lost"}, {"outcome": None}, {"attempt": 256}, {"code": 403}]
)
def test_schema_and_codec_agree_on_a_return(changed: dict[str, Any]) -> None:
    fields = RETURN | changed

    readable = not isinstance(read_return(record_of(fields)), Unreadable)

    assert schema("order-returned").is_valid(fields) == readable


def test_an_alert_fits_its_schema_and_no_other() -> None:
    value = json.loads(encode_alert(ALERT))

    assert schema("alert-timed_out").is_valid(value)
    assert not schema("alert-returned_late").is_valid(value)
    assert not schema("alert-timed_out").is_valid(value | {"type": "returned_late"})


def test_the_problems_of_a_dead_letter_fit_their_schema() -> None:
    problems = json.loads(dict(dead_letter_headers(dead_letter()))["returnwatch-problems"])

    schema("dead-letter-problems").validate(problems)
