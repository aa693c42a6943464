"""The four alerts that go out: their values, ids, bytes and headers.

The order of the keys in a value is part of the contract, because the same alert made again must
be the same bytes. Absent fields are null, times are RFC 3339 UTC texts with milliseconds.
"""

from dataclasses import dataclass
from hashlib import sha1
from typing import Annotated, Any, Final, Literal, get_type_hints
from uuid import NAMESPACE_URL

import orjson
from pydantic import Field
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from schemas.fields import FinalOutcome, InterimOutcome
from schemas.jsontext import dump
from schemas.times import rfc3339

AlertType = Literal["timed_out", "returned_late", "unmatched_return", "conflicting_return"]
Severity = Literal["info", "warning", "critical"]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
AlertId = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class Source(TypedDict):
    """Where the record stands that the alert is about."""

    topic: str
    partition: int
    offset: int


class Interim(TypedDict):
    """The last interim outcome of the attempt, and how many there were."""

    outcome: InterimOutcome
    code: str | None
    message: str | None
    count: int


class Older(TypedDict):
    """The newest final return that named an earlier attempt."""

    attempt: int
    outcome: FinalOutcome


class UnreadableReturns(TypedDict):
    """Dead-lettered returns whose key is the order's id: how many, and where the newest stands."""

    count: int
    topic: str
    partition: int
    offset: int
    field: str


class OfSubmission(TypedDict):
    """The fields of an alert about a submission that was read."""

    alert_id: AlertId
    type: AlertType
    severity: Severity
    order_id: str
    attempt: int
    kind: str | None
    provider: str | None
    merchant: str | None
    player: str | None
    amount_minor: int | None
    currency: str | None
    submitted_at: Time
    deadline: Time
    return_within_ms: int
    rule: str
    source: Source


class OfReturn(TypedDict):
    """The fields of an alert about a return; what only a submission knows is null."""

    alert_id: AlertId
    type: AlertType
    severity: Literal["warning"]
    order_id: str
    attempt: int | None
    kind: None
    provider: str | None
    merchant: None
    player: None
    amount_minor: int | None
    currency: str | None
    submitted_at: None
    deadline: None
    return_within_ms: None
    rule: None
    source: Source


class TimedOut(OfSubmission):
    """The deadline passed and the absence of a final return is proven."""

    interim: Interim | None
    older: Older | None
    unreadable: UnreadableReturns | None


class ReturnedLate(OfSubmission):
    """A final return came for a timed-out order; `resolves` is the id of its newest time-out."""

    resolves: AlertId
    outcome: FinalOutcome
    code: str | None
    returned_at: Time
    arrived_at: Time
    late_by_ms: int


class UnmatchedReturn(OfReturn):
    """A final return waited for its submission, and none came."""

    outcome: FinalOutcome
    code: str | None
    returned_at: Time
    arrived_at: Time


class ConflictingReturn(OfReturn):
    """A final return disagrees with the outcome that closed its order."""

    first_outcome: FinalOutcome
    outcome: FinalOutcome
    code: str | None
    returned_at: Time
    arrived_at: Time


AlertValue = TimedOut | ReturnedLate | UnmatchedReturn | ConflictingReturn

VALUE_TYPES: Final[dict[str, Any]] = {
    "timed_out": TimedOut,
    "returned_late": ReturnedLate,
    "unmatched_return": UnmatchedReturn,
    "conflicting_return": ConflictingReturn,
}
KEYS: Final = {name: tuple(get_type_hints(shape)) for name, shape in VALUE_TYPES.items()}


_NAMESPACE: Final = NAMESPACE_URL.bytes
_SPECVERSION: Final = ("ce_specversion", b"1.0")
_CONTENT_TYPE: Final = ("content-type", b"application/json")
_CE_TYPES: Final = {
    name: ("ce_type", f"returnwatch.order.{name}.v1".encode()) for name in VALUE_TYPES
}


@dataclass(frozen=True, slots=True)
class Alert:
    """A decision to tell; `effect_ms` is when its timer or record took effect.

    `behind` is set where the cause came in behind the frontier: (arrival in the log, arrival it
    was worked as), both in ms.
    """

    type: str
    order_id: str
    effect_ms: int
    value: AlertValue
    traceparent: str | None = None
    behind: tuple[int, int] | None = None


def alert_id(type: str, order_id: str, x: str) -> str:
    """The id of an alert; x is `<attempt>:<deadline ms>` of the timed-out attempt for timed_out
    and returned_late, `<partition>:<offset>` of the causing return for the other two. Equal to
    uuid5(NAMESPACE_URL, ...) of RFC 4122, section 4.3, without an object for it."""
    name = f"returnwatch:{type}:{order_id}:{x}"
    digest = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def encode_alert(alert: Alert) -> bytes:
    """The record's value; the same alert always gives the same bytes."""
    assert tuple(alert.value) == KEYS[alert.type], f"keys of a {alert.type} alert out of order"
    return dump(alert.value)


def read_alert(value: bytes) -> dict[str, Any]:
    """The value of an alert as a subscriber sees it; ValueError if it is none."""
    document = orjson.loads(value)
    if not isinstance(document, dict) or document.get("type") not in tuple(VALUE_TYPES):
        raise ValueError("not an alert of returnwatch")
    return document


def alert_headers(alert: Alert, source: str) -> list[tuple[str, bytes]]:
    """The record's headers, CloudEvents in binary mode; source is `/returnwatch/<app-id>`."""
    headers = [
        _SPECVERSION,
        ("ce_id", alert.value["alert_id"].encode()),
        ("ce_source", source.encode()),
        _CE_TYPES[alert.type],
        ("ce_time", rfc3339(alert.effect_ms).encode()),
        ("ce_subject", alert.order_id.encode()),
        _CONTENT_TYPE,
    ]
    if alert.traceparent is not None:
        headers.append(("traceparent", alert.traceparent.encode()))
    if alert.behind is not None:
        headers.append(behind_header(alert.behind))
    return headers


def behind_header(behind: tuple[int, int]) -> tuple[str, bytes]:
    """Says that the cause came in behind the frontier: its arrival, and what it was worked as."""
    arrival_ms, worked_as_ms = behind
    return "returnwatch-behind-frontier", f"{arrival_ms}/{worked_as_ms}".encode()
