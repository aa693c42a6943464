"""Which order ids are near misses of each other."""

from collections import namedtuple

import pytest

from streams.investigate.likeness import NEAR_RECORDS_MAX, Likeness, are_alike

Seen = namedtuple("Seen", "key value")


@pytest.mark.parametrize(
    "other",
    [
        "ORDER-00042",
        " order-00042",
        "order-00042\n",
        "order 00042",
        "order-42",
        "42",
        "00042",
        "shop:order-42",
        "order_00042",
        '"order-00042"',
    ],
)
def test_case_white_space_prefix_and_leading_zeros_make_a_near_miss(other: str) -> None:
    assert are_alike("order-00042", other)
    assert are_alike(other, "order-00042")
    assert Likeness("order-00042").is_same_or_near(Seen(other.encode(), None))


@pytest.mark.parametrize("other", ["order-00042", "payout-00042", "order-420", "order-0004", "---"])
def test_the_same_id_and_other_orders_are_no_near_miss(other: str) -> None:
    assert not are_alike("order-00042", other)


def test_letters_beyond_ascii_are_compared_by_their_folded_form() -> None:
    likeness = Likeness("bestellung-straße")

    assert likeness.is_same_or_near(Seen(b"BESTELLUNG-STRASSE", None))


def test_an_id_without_letters_and_digits_is_like_nothing() -> None:
    assert not Likeness("--").is_same_or_near(Seen(b"-", None))


def test_a_key_that_is_not_there_or_no_text_is_no_near_miss() -> None:
    likeness = Likeness("a-1")

    assert not likeness.is_same_or_near(Seen(None, None))
    assert not likeness.is_same_or_near(Seen(b"\xff", None))


def test_the_records_that_are_alike_are_bounded_and_its_own_are_not() -> None:
    likeness = Likeness("1")

    near = sum(likeness.is_same_or_near(Seen(b"o-1", None)) for _ in range(2 * NEAR_RECORDS_MAX))
    assert near == NEAR_RECORDS_MAX
    assert likeness.is_same_or_near(Seen(b"1", None))


@pytest.mark.parametrize(
    "value",
    [
        b'{"order_id":"a/\xc3\xbc-1"}',
        b'{"order_id":"a/\\u00fc-1"}',
        b'{"order_id":"a\\/\\u00fc-1"}',
        b"not JSON: a/\xc3\xbc-1, and more",
    ],
)
def test_an_id_is_seen_in_a_value_however_json_writes_it(value: bytes) -> None:
    assert Likeness("a/ü-1").is_about(Seen(b"other", value))


def test_a_longer_id_in_a_value_is_not_it() -> None:
    likeness = Likeness("a-1")

    assert not likeness.is_in(b'{"order_id":"a-12"}')
    assert not likeness.is_in(b'{"order_id":"b-a-1"}')
    assert not likeness.is_in(None)
