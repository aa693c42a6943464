"""Planned work, during which nobody is to be woken: the record on `order-silences`, and the digest
that is told when it is over.

A silence: key = silence id, value JSON. Its times are event time (the log's), so a replay of the
same log is silenced alike; it is ended by a record with an earlier `until`, never by its removal.
The digest: a record on `order-incidents` with CloudEvents type `returnwatch.silence.ended.v1`.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from schemas.incidents import AtRisk, Cause, Scope
from schemas.times import milliseconds


class SilenceRecord(Struct, frozen=True):
    """From when to when (RFC 3339) incidents of a scope are silenced, why, and when it was said."""

    silence_id: str
    scope: Scope
    since: str
    until: str
    why: str
    added_at: str

    @property
    def from_ms(self) -> int:
        """`since` in ms since 1970."""
        return milliseconds(self.since)

    @property
    def until_ms(self) -> int:
        """`until` in ms since 1970."""
        return milliseconds(self.until)


class SilencedIncident(Struct, frozen=True):
    """An incident as it was told last during a silence."""

    incident_id: str
    cause: Cause
    scope: Scope
    since: str
    until: str | None
    orders_timed_out: int
    returned_late: int


class SilenceEnded(Struct, frozen=True):
    """What happened while a silence was in force: sums over its incidents, and each of them."""

    silence_id: str
    state: Literal["ended"]
    scope: Scope
    since: str
    until: str
    why: str
    orders_timed_out: int
    returned_late: int
    money_at_risk: tuple[AtRisk, ...]
    incidents: tuple[SilencedIncident, ...]


_decode = msgspec.json.Decoder(SilenceRecord).decode
_decode_ended = msgspec.json.Decoder(SilenceEnded).decode
_encode = msgspec.json.Encoder().encode


def encode_silence(silence: SilenceRecord | SilenceEnded) -> bytes:
    """The record's value; its key is the silence id."""
    return _encode(silence)


def read_silence(value: bytes) -> SilenceRecord:
    """The silence again; ValueError if it is none, or its times are none."""
    try:
        silence = _decode(value)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a silence of returnwatch: {error}") from error
    if silence.from_ms > silence.until_ms:
        raise ValueError("not a silence of returnwatch: it ends before it begins")
    return silence


def read_digest(value: bytes) -> SilenceEnded:
    """The digest again; ValueError if it is none."""
    try:
        return _decode_ended(value)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a digest of a silence: {error}") from error


def digest_headers(digest: SilenceEnded, source: str) -> list[tuple[str, bytes]]:
    """The record's headers, CloudEvents in binary mode; source is `/returnwatch/<app-id>`."""
    texts = (
        ("ce_specversion", "1.0"),
        ("ce_id", f"{digest.silence_id}:{digest.until}"),
        ("ce_source", source),
        ("ce_type", "returnwatch.silence.ended.v1"),
        ("ce_time", digest.until),
        ("ce_subject", digest.silence_id),
        ("content-type", "application/json"),
    )
    return [(name, text.encode()) for name, text in texts]
