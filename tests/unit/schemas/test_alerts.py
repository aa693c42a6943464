"""The alerts that go out."""

from dataclasses import replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from schemas.alerts import KEYS, VALUE_TYPES, Alert, alert_id
from schemas.codec import alert_headers, encode_alert, read_alert
from tests.unit.schemas.samples import NOW_MS, TRACEPARENT

ID = alert_id("timed_out", "café-1", f"1:{NOW_MS + 30_000}")
TIMED_OUT: dict[str, Any] = {
    "alert_id": ID,
    "type": "timed_out",
    "severity": "critical",
    "order_id": "café-1",
    "attempt": 1,
    "kind": None,
    "provider": "acme-pay",
    "merchant": None,
    "player": None,
    "amount_minor": -(2**63),
    "currency": "EUR",
    "submitted_at": "2026-01-01T00:00:00.000Z",
    "deadline": "2026-01-01T00:00:30.000Z",
    "return_within_ms": 30_000,
    "rule": "default",
    "source": {"topic": "order-submitted", "partition": 3, "offset": 17},
    "interim": {"outcome": "pending", "code": None, "message": None, "count": 2},
    "older": None,
    "unreadable": None,
}
ALERT = Alert("timed_out", "café-1", NOW_MS + 30_001, TIMED_OUT)  # type: ignore[arg-type]  # a dict
COMMON = (
    "alert_id type severity order_id attempt kind provider merchant player amount_minor currency "
    "submitted_at deadline return_within_ms rule source"
)


@pytest.mark.parametrize(
    "type, own",
    [
        ("timed_out", "interim older unreadable"),
        ("returned_late", "resolves outcome code returned_at arrived_at late_by_ms"),
        ("unmatched_return", "outcome code returned_at arrived_at"),
        ("conflicting_return", "first_outcome outcome code returned_at arrived_at"),
    ],
)
def test_the_keys_of_a_value_stand_in_the_order_of_the_contract(type: str, own: str) -> None:
    assert KEYS[type] == (*COMMON.split(), *own.split())


def test_a_value_is_json_without_white_space_or_escapes() -> None:
    assert encode_alert(ALERT).decode() == (
        '{"alert_id":"' + ID + '","type":"timed_out","severity":"critical","order_id":"café-1",'
        '"attempt":1,"kind":null,"provider":"acme-pay","merchant":null,"player":null,'
        '"amount_minor":-9223372036854775808,"currency":"EUR",'
        '"submitted_at":"2026-01-01T00:00:00.000Z","deadline":"2026-01-01T00:00:30.000Z",'
        '"return_within_ms":30000,"rule":"default",'
        '"source":{"topic":"order-submitted","partition":3,"offset":17},'
        '"interim":{"outcome":"pending","code":null,"message":null,"count":2},'
        '"older":null,"unreadable":null}'
    )


def test_an_alert_written_and_read_is_the_same() -> None:
    assert read_alert(encode_alert(ALERT)) == TIMED_OUT


def test_keys_out_of_order_are_refused() -> None:
    shuffled = dict(sorted(TIMED_OUT.items()))

    with pytest.raises(AssertionError, match="out of order"):
        encode_alert(replace(ALERT, value=shuffled))  # type: ignore[arg-type]  # a dict


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b"null", b"{}", b'{"type":"x"}', b'{"type":[]}', b"\xff"]
)
def test_what_is_no_alert_is_a_value_error(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_alert(value)


def test_the_id_is_a_name_based_uuid() -> None:
    assert alert_id("timed_out", "café-1", "1:1767225630000") == str(
        uuid5(NAMESPACE_URL, "returnwatch:timed_out:café-1:1:1767225630000")
    )
    assert ID == "88dced07-08b9-50cd-b011-24e951a72639"


@given(order_id=st.text(st.characters(codec="utf-8"), max_size=40), x=st.integers())
def test_every_id_is_the_one_that_the_standard_library_gives(order_id: str, x: int) -> None:
    name = f"returnwatch:timed_out:{order_id}:{x}"

    assert alert_id("timed_out", order_id, str(x)) == str(uuid5(NAMESPACE_URL, name))


def test_headers_are_a_cloudevent_in_binary_mode() -> None:
    assert alert_headers(ALERT, "/returnwatch/app") == [
        ("ce_specversion", b"1.0"),
        ("ce_id", ID.encode()),
        ("ce_source", b"/returnwatch/app"),
        ("ce_type", b"returnwatch.order.timed_out.v1"),
        ("ce_time", b"2026-01-01T00:00:30.001Z"),
        ("ce_subject", "café-1".encode()),
        ("content-type", b"application/json"),
    ]


def test_the_traceparent_of_the_submission_is_passed_on() -> None:
    headers = alert_headers(replace(ALERT, traceparent=TRACEPARENT), "/returnwatch/app")

    assert headers[-1] == ("traceparent", TRACEPARENT.encode())


def test_a_cause_behind_the_frontier_is_marked_with_both_times() -> None:
    headers = alert_headers(replace(ALERT, behind=(NOW_MS, NOW_MS + 5)), "/returnwatch/app")

    assert headers[-1] == ("returnwatch-behind-frontier", b"1767225600000/1767225600005")


def test_a_typical_value_fits_its_type() -> None:
    assert TypeAdapter(VALUE_TYPES["timed_out"]).validate_python(TIMED_OUT, strict=True) == (
        TIMED_OUT
    )
