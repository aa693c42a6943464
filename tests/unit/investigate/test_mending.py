"""Records of dead letters as they go out again."""

import base64
import json
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.codec import dead_letter_headers, read_submission
from schemas.deadletters import DeadLetter, StoredLetter
from schemas.records import Record, Unreadable
from streams.investigate.letters import LETTERS_MAX, Letters, Wish, provider_of
from streams.investigate.requeue import (
    TRANSACTION_LETTERS_MAX,
    Mender,
    NotFixable,
    mended,
    pages,
    place_of,
)

STRUCTURED = [("content-type", b"application/cloudevents+json")]


def letter(value: bytes | None, *, offset: int = 5, headers: Any = ()) -> StoredLetter:
    return StoredLetter(
        0, Record(offset, 9, b"a", value, list(headers)), "order-submitted", 0, 3, ()
    )


def fields(record: Record) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(record.value or b"")
    return document


def test_without_a_fix_every_byte_stays() -> None:
    before = letter(b'{ "order_id": 1.50 }', headers=[("x", b"\xff")])

    after = mended(before, {})
    assert replace(after, offset=5, timestamp_ms=9) == before.record


def test_a_fix_sets_fields_and_leaves_the_others_and_great_numbers() -> None:
    after = mended(
        letter(b'{"order_id":"\\u00fc","n":123456789012345678901,"attempt":0}'), {"attempt": 2}
    )

    assert fields(after) == {"order_id": "ü", "n": 123456789012345678901, "attempt": 2}


@pytest.mark.parametrize(
    "event",
    [
        {"data": {"order_id": "a", "attempt": 0}},
        {"data_base64": base64.b64encode(b'{"order_id":"a","attempt":0}').decode()},
    ],
)
def test_of_a_cloud_event_the_fields_of_its_data_are_fixed(event: dict[str, Any]) -> None:
    value = json.dumps({"specversion": "1.0", **event}).encode()

    after = mended(letter(value, headers=STRUCTURED), {"attempt": 2})
    assert fields(after) == {"specversion": "1.0", "data": {"order_id": "a", "attempt": 2}}


def test_a_value_that_is_no_object_has_no_field_to_fix_but_its_key_has() -> None:
    with pytest.raises(NotFixable, match="its value is null"):
        mended(letter(None), {"attempt": 2})
    with pytest.raises(NotFixable, match="a key is a text"):
        mended(letter(b"[]"), {"key": 1})
    assert mended(letter(b"[]"), {"key": "ü"}).key == "ü".encode()


def test_what_is_still_wrong_and_what_is_of_no_input_is_not_planned() -> None:
    letters = Letters()
    letters.found = [letter(b"{}"), letter(b"{}", offset=6)]
    checked = Mender(frozenset(["order-submitted"]), {"order-submitted": read_submission}, {})
    strange = Mender(frozenset(["other"]), {}, {})

    assert checked.plan(letters).sendings == []
    assert any("submitted_at is missing" in it for it in checked.plan(letters).refused[0][1])
    assert "none of the inputs" in strange.plan(letters).refused[0][1][0]


def test_transactions_are_bounded_and_every_record_has_its_marker() -> None:
    letters = Letters()
    count = 2 * TRANSACTION_LETTERS_MAX + 1
    letters.found = [letter(b"{}", offset=offset) for offset in range(count)]
    mender = Mender(frozenset(["order-submitted"]), {}, {})

    made = list(pages("order-dead-letters", 0, mender.plan(letters).sendings))

    sizes = [len(page.outputs["order-submitted"]) for page in made]
    assert sizes == [TRANSACTION_LETTERS_MAX, TRANSACTION_LETTERS_MAX, 1]
    assert sizes == [len(page.outputs["order-dead-letters"]) for page in made]
    assert {page.changelog == [] for page in made} == {True}


def test_letters_are_bounded_and_it_is_known_that_there_are_more() -> None:
    letters = Letters(leaves_out=frozenset([(0, 0)]))
    stored = Record(0, 9, b"a", b"[]", [])
    unreadable = read_submission(stored)
    assert isinstance(unreadable, Unreadable)
    headers = dead_letter_headers(DeadLetter(0, "order-submitted", 0, unreadable))

    for offset in range(LETTERS_MAX + 2):
        letters.take(0, replace(stored, offset=offset, headers=headers), Wish())

    assert (len(letters.found), letters.is_cut) == (LETTERS_MAX, True)
    assert letters.found[0].place == (0, 1)
    assert letters.missing([(0, 0), (0, 1)]) == [(0, 0)]
    assert letters.of(1).found == []


def test_the_provider_is_told_where_it_can_be_read() -> None:
    assert provider_of(letter(b'{"provider":"acme"}')) == "acme"
    assert provider_of(letter(b'{"provider":1}')) is None
    assert provider_of(letter(b"\xff")) is None
    assert Wish(provider="acme").takes(letter(b'{"provider":"acme"}'))
    assert not Wish(provider="acme").takes(letter(b"{}"))


@pytest.mark.parametrize("text", ["", "2", "2:", ":2", "a:b", "-1:2", "1:2:3"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        place_of(text)
