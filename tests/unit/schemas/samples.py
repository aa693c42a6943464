"""Records that are right, to be spoilt one field at a time."""

import json
from typing import Any

from schemas.records import Record

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

SUBMISSION: dict[str, Any] = {
    "order_id": "3f2b8a52-7a70-4c11-9d6e-1f0c5a9d7e21",
    "submitted_at": NOW_MS,
    "return_within_ms": 30_000,
    "attempt": 1,
    "kind": "payment",
    "provider": "acme-pay",
    "merchant": "shop-7",
    "player": "player-12",
    "amount_minor": 1250,
    "currency": "EUR",
}
RETURN: dict[str, Any] = {
    "order_id": "3f2b8a52-7a70-4c11-9d6e-1f0c5a9d7e21",
    "returned_at": NOW_MS + 2_000,
    "outcome": "rejected",
    "attempt": 1,
    "code": "RS_ERROR_NOT_ENOUGH_MONEY",
    "message": "insufficient funds",
    "provider": "acme-pay",
    "amount_minor": 1250,
    "currency": "EUR",
}
KEY = SUBMISSION["order_id"].encode()


def record_of(
    fields: object, *, key: bytes | None = KEY, headers: tuple[tuple[str, bytes], ...] = ()
) -> Record:
    """A record whose value is the JSON of the fields."""
    return raw_record(json.dumps(fields).encode(), key=key, headers=headers)


def raw_record(
    value: bytes | None,
    *,
    key: bytes | None = KEY,
    headers: tuple[tuple[str, bytes], ...] = (),
) -> Record:
    """A record whose value is these bytes."""
    return Record(offset=7, timestamp_ms=NOW_MS, key=key, value=value, headers=headers)
