"""What is told where a limit of the rules is crossed: a record on `order-incidents`.

Key = limit id, value JSON with all fields in the order below, headers as CloudEvents in binary mode
with type `returnwatch.limit.{exceeded,cleared}.v1`. Advice only: nothing is stopped.
"""

from typing import Literal
from uuid import NAMESPACE_URL, uuid5

import msgspec
from msgspec import Struct

from schemas.times import rfc3339

Measure = Literal["open_orders_max", "overdue_orders_max", "submissions_per_s_max"]


class LimitedScope(Struct, frozen=True):
    """Of which provider or merchant; the other is null, for all."""

    provider: str | None
    merchant: str | None
    kind: None = None


class LimitCrossed(Struct, frozen=True):
    """A limit that was crossed, or is kept again; times are RFC 3339 in the log's time.

    `value` is what was counted at `told_at`; `since` is when it was exceeded first."""

    limit_id: str
    state: Literal["exceeded", "cleared"]
    limit: Measure
    max: int
    value: int
    scope: LimitedScope
    rule: str
    since: str
    told_at: str
    advice: str


_decode = msgspec.json.Decoder(LimitCrossed).decode
_encode = msgspec.json.Encoder().encode


def limit_id(limit: str, of: tuple[str, str], since_s: int) -> str:
    """The id of one crossing: which limit, of whom (`provider` or `merchant`, name), since when."""
    return str(uuid5(NAMESPACE_URL, f"returnwatch:limit:{limit}:{of[0]}={of[1]}:{since_s}"))


def encode_limit(crossed: LimitCrossed) -> bytes:
    """The record's value; its key is the limit id."""
    return _encode(crossed)


def read_limit(value: bytes) -> LimitCrossed:
    """The crossing again; ValueError if it is none."""
    try:
        return _decode(value)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a limit of returnwatch: {error}") from error


def limit_headers(crossed: LimitCrossed, source: str) -> list[tuple[str, bytes]]:
    """The record's headers, CloudEvents in binary mode; source is `/returnwatch/<app-id>`."""
    texts = (
        ("ce_specversion", "1.0"),
        ("ce_id", f"{crossed.limit_id}:{crossed.state}"),
        ("ce_source", source),
        ("ce_type", f"returnwatch.limit.{crossed.state}.v1"),
        ("ce_time", crossed.told_at),
        ("ce_subject", crossed.limit_id),
        ("content-type", "application/json"),
    )
    return [(name, text.encode()) for name, text in texts]


def second(at_s: int) -> str:
    """A second as it stands in a value."""
    return rfc3339(at_s * 1_000)
