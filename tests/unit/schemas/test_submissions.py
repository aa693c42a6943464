"""Reading `order-submitted`."""

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.records import Unreadable
from schemas.times import DAY_MS
from tests.events import read_submission
from tests.unit.schemas.samples import NOW_MS, SUBMISSION, record_of


def problem_of(**wrong: Any) -> tuple[str, str, str]:
    unreadable = read_submission(record_of(SUBMISSION | wrong))
    assert isinstance(unreadable, Unreadable)
    (problem,) = unreadable.problems
    return problem


def test_a_right_submission_reads_as_its_fields() -> None:
    assert read_submission(record_of(SUBMISSION)) == SUBMISSION


def test_two_fields_are_enough() -> None:
    fields = {"order_id": "a", "submitted_at": NOW_MS}

    assert read_submission(record_of(fields, key=b"a")) == fields


def test_null_means_absent() -> None:
    optional = dict.fromkeys(set(SUBMISSION) - {"order_id", "submitted_at"})

    submission = read_submission(record_of(SUBMISSION | optional))

    assert not isinstance(submission, Unreadable)
    assert all(submission.get(name) is None for name in optional)


def test_unknown_fields_are_ignored() -> None:
    unknown = {"comment": [1, {"a": None}], "traceparent": "x", "slips": ["code"]}

    assert read_submission(record_of(SUBMISSION | unknown)) == SUBMISSION


def test_an_rfc3339_time_reads_as_milliseconds() -> None:
    fields = SUBMISSION | {"submitted_at": "2026-01-01T01:00:00.0019+01:00"}

    assert read_submission(record_of(fields)) == SUBMISSION | {"submitted_at": NOW_MS + 1}


@pytest.mark.parametrize("order_id", ["x", "x" * 128, "é" * 128, "😀" * 128, "e\u0301", " ", "\0"])
def test_an_order_id_is_1_to_128_code_points_as_they_are(order_id: str) -> None:
    fields = SUBMISSION | {"order_id": order_id}

    assert read_submission(record_of(fields, key=order_id.encode())) == fields


@pytest.mark.parametrize(
    "right",
    [
        {"submitted_at": 946_684_800_000},
        {"submitted_at": NOW_MS + DAY_MS},
        {"return_within_ms": 1},
        {"return_within_ms": 2_592_000_000},
        {"attempt": 1},
        {"attempt": 255},
        {"provider": ""},
        {"provider": "😀" * 64},
        {"amount_minor": -(2**63)},
        {"amount_minor": 2**63 - 1},
        {"amount_minor": 0},
        {"currency": "XXX"},
        {"amount_minor": None, "currency": None},
    ],
)
def test_the_ends_of_every_range_are_right(right: dict[str, Any]) -> None:
    fields = SUBMISSION | right
    given = {name: value for name, value in fields.items() if value is not None}
    assert read_submission(record_of(fields)) == given


WRONG: dict[str, list[Any]] = {
    "submitted_at": [
        None,
        True,
        1.0,
        float(NOW_MS),
        str(NOW_MS),
        "yesterday",
        "2026-01-01T00:00:00",
        "1999-12-31T23:59:59.999Z",
        "2026-01-02T00:00:00.001Z",
        946_684_799_999,
        NOW_MS + DAY_MS + 1,
        NOW_MS // 1000,
        0,
        -1,
        10**400,
        -(10**400),
        [NOW_MS],
        {},
        float("nan"),
    ],
    "return_within_ms": [0, -1, 2_592_000_001, True, 30.0, "30000", [], 10**400],
    "attempt": [0, -1, 256, True, 1.0, "1", {}, 10**400],
    "kind": [1, True, "x" * 65, [], {}, "\ud800"],
    "provider": [1, 1.5, "x" * 65, [], {}, "a\udfff"],
    "merchant": [1, False, "x" * 65, [], {}],
    "player": [1, True, "x" * 65, [], {}],
    "amount_minor": [12.5, 1250.0, 1e2, "1250", True, 2**63, -(2**63) - 1, 10**400, [], None],
    "currency": ["eur", "EU", "EURO", "EUR\n", "ÉUR", 978, "", [], "EUR ", "\ud800", None],
}


@pytest.mark.parametrize(
    "name, value", [(name, value) for name, values in WRONG.items() for value in values]
)
def test_one_wrong_field_makes_one_problem_with_its_name(name: str, value: Any) -> None:
    field, problem, hint = problem_of(**{name: value})

    assert field == name
    assert problem
    assert hint


@pytest.mark.parametrize("order_id", [None, "", "x" * 129, 17, True, ["a"], {"a": 1}, "\ud83d"])
def test_a_wrong_order_id_is_named(order_id: Any) -> None:
    field, _, hint = problem_of(order_id=order_id)

    assert (field, hint) == ("order_id", '"order-4711"')


def test_every_wrong_field_is_named_the_key_first() -> None:
    fields = SUBMISSION | {"attempt": 0, "submitted_at": "soon", "amount_minor": 1.5, "kind": 7}

    unreadable = read_submission(record_of(fields, key=None))

    assert isinstance(unreadable, Unreadable)
    assert [problem.field for problem in unreadable.problems] == [
        "key",
        "submitted_at",
        "attempt",
        "kind",
        "amount_minor",
    ]


def test_a_missing_half_of_the_money_is_named() -> None:
    assert problem_of(currency=None) == ("currency", "is missing beside amount_minor", '"EUR"')
    assert problem_of(amount_minor=None) == ("amount_minor", "is missing beside currency", "1250")


def test_a_time_too_late_names_the_record_s_own() -> None:
    assert problem_of(submitted_at=NOW_MS + 2 * DAY_MS) == (
        "submitted_at",
        "must be at most 24 h after the record's 2026-01-01T00:00:00.000Z, not 1767398400000",
        "1767225600000",
    )


def test_a_problem_reads_as_a_sentence_with_an_example() -> None:
    assert problem_of(attempt=0) == ("attempt", "must be an integer from 1 to 255, not 0", "1")


def test_half_an_emoji_in_an_unknown_field_harms_nothing() -> None:
    assert read_submission(record_of(SUBMISSION | {"comment": "cut \ud83d"})) == SUBMISSION


def test_of_two_fields_with_one_name_the_last_counts() -> None:
    record = record_of(SUBMISSION)
    assert record.value is not None
    twice = replace(record, value=record.value[:-1] + b',"attempt":2}')

    assert read_submission(twice) == SUBMISSION | {"attempt": 2}
