"""Reading `order-returned`, leniently where leniency cannot answer the wrong order."""

from typing import Any

import pytest

from schemas.events import Return
from schemas.records import Unreadable
from schemas.times import DAY_MS
from tests.events import read_return
from tests.unit.schemas.samples import NOW_MS, RETURN, record_of


def returned(**changed: Any) -> Return:
    event = read_return(record_of(RETURN | changed))
    assert not isinstance(event, Unreadable)
    return event


def test_a_right_return_reads_as_its_fields_without_slips() -> None:
    assert returned() == RETURN


def test_three_fields_are_enough() -> None:
    fields = {"order_id": "a", "returned_at": NOW_MS, "outcome": "pending"}

    assert read_return(record_of(fields, key=b"a")) == fields


@pytest.mark.parametrize("outcome", ["accepted", "rejected", "cancelled", "pending", "error"])
def test_there_are_five_outcomes(outcome: str) -> None:
    assert returned(outcome=outcome)["outcome"] == outcome


@pytest.mark.parametrize(
    "sent, read",
    [
        (403, "403"),
        (-1, "-1"),
        (10**70, "1" + "0" * 63),
        ("x" * 65, "x" * 64),
        ("😀" * 1000, "😀" * 64),
        ("", ""),
    ],
)
def test_a_code_may_be_an_integer_and_is_cut_at_64(sent: Any, read: str) -> None:
    event = returned(code=sent)

    assert event.get("code") == read
    assert "slips" not in event


def test_a_message_is_cut_at_256() -> None:
    event = returned(message="é" * 1_000_000)

    assert event.get("message") == "é" * 256
    assert "slips" not in event


@pytest.mark.parametrize(
    "name, value",
    [
        ("code", ["403"]),
        ("code", 1.5),
        ("code", True),
        ("code", {}),
        ("code", "cut \ud83d"),
        ("message", 7),
        ("message", []),
        ("message", "half an emoji \ud83d"),
        ("provider", 12),
        ("provider", "x" * 65),
        ("provider", "\udc00"),
    ],
)
def test_another_wrong_field_counts_as_absent_and_is_a_slip(name: str, value: Any) -> None:
    event = returned(**{name: value})

    right = {other: RETURN[other] for other in RETURN if other != name}
    assert event == right | {"slips": (name,)}


@pytest.mark.parametrize("money", [{"amount_minor": 12.5}, {"currency": "euro"}])
def test_money_with_a_wrong_half_is_absent_as_a_whole(money: dict[str, Any]) -> None:
    event = returned(**money)

    assert event.get("amount_minor") is None
    assert event.get("currency") is None
    assert event.get("slips") == ("amount_minor", "currency")


@pytest.mark.parametrize(
    "missing, slip", [("amount_minor", "currency"), ("currency", "amount_minor")]
)
def test_half_of_the_money_counts_as_absent(missing: str, slip: str) -> None:
    event = returned(**{missing: None})

    assert event.get(slip) is None
    assert event.get("slips") == (slip,)


def test_several_slips_are_named_in_the_order_of_the_wire() -> None:
    event = returned(provider=1, message=2, code=[])

    assert event.get("slips") == ("code", "message", "provider")


@pytest.mark.parametrize(
    "name, value",
    [
        ("order_id", None),
        ("order_id", 17),
        ("returned_at", None),
        ("returned_at", 1.0),
        ("returned_at", -1),
        ("returned_at", "soon"),
        ("returned_at", NOW_MS + DAY_MS + 1),
        ("returned_at", "2999-01-01T00:00:00Z"),
        ("outcome", None),
        ("outcome", "ACCEPTED"),
        ("outcome", "refunded"),
        ("outcome", 1),
        ("outcome", ["accepted"]),
        ("outcome", "\ud800"),
        ("attempt", 0),
        ("attempt", 256),
        ("attempt", "1"),
        ("attempt", True),
    ],
)
def test_what_is_answered_must_be_right(name: str, value: Any) -> None:
    unreadable = read_return(record_of(RETURN | {name: value}))

    assert isinstance(unreadable, Unreadable)
    assert [problem.field for problem in unreadable.problems] == [name]


def test_an_unreadable_return_names_its_slips_too() -> None:
    unreadable = read_return(record_of(RETURN | {"outcome": "lost", "provider": 1, "code": 403}))

    assert isinstance(unreadable, Unreadable)
    assert [problem.field for problem in unreadable.problems] == ["outcome", "provider"]
