"""What is told of a fault: the value, id, bytes and headers of a record on `order-incidents`.

Key = incident id, value JSON with all fields in the order below, headers as CloudEvents in binary
mode with type `returnwatch.incident.{opened,updated,closed}.v1`. The same state of the same
incident made again is the same bytes.
"""

from typing import Final, Literal
from uuid import NAMESPACE_URL, uuid5

import msgspec
from msgspec import Struct

Cause = Literal[
    "system_failure",
    "network",
    "data_error",
    "permission",
    "integration",
    "isolated",
    "monitor",
]
CAUSES: Final[tuple[Cause, ...]] = (
    "system_failure",
    "network",
    "data_error",
    "permission",
    "integration",
    "isolated",
    "monitor",
)
IncidentState = Literal["opened", "updated", "closed"]
IncidentSeverity = Literal["info", "warning", "critical"]


class Scope(Struct, frozen=True, order=True):
    """Which orders are concerned; null stands for all."""

    provider: str | None = None
    merchant: str | None = None
    kind: str | None = None

    def covers(self, provider: str | None, merchant: str | None, kind: str | None) -> bool:
        """Whether orders with these fields are among them."""
        return (
            self.provider in (None, provider)
            and self.merchant in (None, merchant)
            and self.kind in (None, kind)
        )

    def __str__(self) -> str:
        pairs = (("provider", self.provider), ("merchant", self.merchant), ("kind", self.kind))
        return ", ".join(f"{name} {value}" for name, value in pairs if value) or "all orders"


class RankedCause(Struct, frozen=True):
    """A possible cause: its share of what was seen, and the counts that speak for it."""

    cause: Cause
    share_permille: int
    evidence: tuple[str, ...]


class AtRisk(Struct, frozen=True):
    """Money of orders that timed out and did not come back, in the currency's smallest unit."""

    currency: str
    amount_minor: int


class Incident(Struct, frozen=True):
    """An incident as told; times are RFC 3339, `until` is null while it goes on.

    `revision` counts what was told of it, from 1. `orders_timed_out` and what follows are sums
    since it began; `returned_late` of them came back. `order_ids`: up to five that timed out.
    `silenced`: why nobody should be woken, null where nothing is silenced. `told_at` is the end
    of the second, in the log's time, that led to it."""

    incident_id: str
    revision: int
    state: IncidentState
    cause: Cause
    causes: tuple[RankedCause, ...]
    scope: Scope
    since: str
    until: str | None
    told_at: str
    orders_timed_out: int
    returned_late: int
    money_at_risk: tuple[AtRisk, ...]
    order_ids: tuple[str, ...]
    severity: IncidentSeverity
    remedy: str
    runbook: str
    silenced: str | None


_decode = msgspec.json.Decoder(Incident).decode
_encode = msgspec.json.Encoder().encode


def incident_id(scope: Scope, opened_s: int, family: str) -> str:
    """The id: from where it was first seen, in which second, by which kind of sign."""
    names = ":".join(
        "*" if name is None else f"={name}" for name in (scope.provider, scope.merchant, scope.kind)
    )
    return str(uuid5(NAMESPACE_URL, f"returnwatch:incident:{family}:{opened_s}:{names}"))


def encode_incident(incident: Incident) -> bytes:
    """The record's value; its key is the incident id."""
    return _encode(incident)


def read_incident(value: bytes) -> Incident:
    """The incident again; ValueError if it is none."""
    try:
        return _decode(value)
    except msgspec.DecodeError as error:
        raise ValueError(f"not an incident of returnwatch: {error}") from error


def incident_headers(incident: Incident, source: str) -> list[tuple[str, bytes]]:
    """The record's headers, CloudEvents in binary mode; source is `/returnwatch/<app-id>`."""
    texts = (
        ("ce_specversion", "1.0"),
        ("ce_id", f"{incident.incident_id}:{incident.revision}"),
        ("ce_source", source),
        ("ce_type", f"returnwatch.incident.{incident.state}.v1"),
        ("ce_time", incident.told_at),
        ("ce_subject", incident.incident_id),
        ("content-type", "application/json"),
    )
    return [(name, text.encode()) for name, text in texts]
