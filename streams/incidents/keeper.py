"""What is made of `order-stats`: incidents, limits that were crossed, digests of silences.

Ties the pure parts together: records in, the next checkpoint's page out. Knows no broker and no
clock.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from schemas.incidents import Incident, encode_incident, incident_headers
from schemas.limits import LimitCrossed, encode_limit, limit_headers
from schemas.records import Record
from schemas.silences import SilenceEnded, SilenceRecord, digest_headers, encode_silence
from schemas.stats import Stats, StatsRecord, read_stats
from streams.core.digests import Digests
from streams.core.incidents.codes import CodeClasses
from streams.core.incidents.desk import Desk
from streams.core.incidents.rollcall import Rollcall, Round
from streams.core.incidents.silences import Silence
from streams.core.limits import Limit, Limits
from streams.incidents.state import Kept, pieces_of, records_of
from streams.state.header import StateError
from streams.state.ledger import Page

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Remit:
    """What the owner of incidents works with."""

    app_id: str
    incidents_topic: str
    codes: CodeClasses
    limits: tuple[Limit, ...]

    @property
    def source(self) -> str:
        """Who tells, as CloudEvents have it."""
        return f"/returnwatch/{self.app_id}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the incidents stand: how many are open, which second is worked next (None before the
    first), and how many records this owner has written."""

    open: int
    next_s: int | None
    written: int

    def behind_s(self, now_ms: int) -> float:
        """How long ago the newest worked second ended; 0 before the first."""
        return 0.0 if self.next_s is None else max(0.0, now_ms / 1_000 - self.next_s)


class Keeper:
    """The incidents of a deployment, from restored state on."""

    def __init__(self, remit: Remit, kept: Kept | None) -> None:
        self._remit = remit
        self._told: list[Record] = []
        self._written = 0
        self.has_counts = False  # Since the newest page: not heartbeats alone.
        self.offsets: dict[int, int] = {} if kept is None else dict(kept.offsets)
        if kept is None:
            self._desk, self._limits = Desk(remit.codes), Limits(remit.limits)
            self._digests, self._rollcall = Digests(), Rollcall()
            self._pieces: dict[str, int] = {}
            return
        try:
            self._desk = Desk.from_bytes(kept.parts["desk"], remit.codes)
            self._limits = Limits.from_bytes(kept.parts["limits"], remit.limits)
            self._digests = Digests.from_bytes(kept.parts["digests"])
            self._rollcall = Rollcall.restored(json.loads(kept.parts["rollcall"]))
        except (ValueError, KeyError) as error:
            raise StateError(
                f"The state of incidents cannot be read ({error}): delete its changelog topic and "
                "type `returnwatch topics create` to begin anew."
            ) from error
        self._pieces = pieces_of(kept.parts)

    @property
    def has_told(self) -> bool:
        """Whether the next page tells anything."""
        return bool(self._told)

    @property
    def standing(self) -> Standing:
        """For who looks from outside."""
        return Standing(len(self._desk.incidents()), self._desk.next_s, self._written)

    def silence(self, silences: list[SilenceRecord]) -> None:
        """All silences that there are, from now on."""
        self._digests.know(silences)
        self._desk.silence([Silence(it.scope, it.from_ms, it.until_ms, it.why) for it in silences])

    def take(self, partition: int, records: Iterable[Record], next_offset: int) -> None:
        """Take in what comes next of a partition; a record that is none of ours is passed over."""
        assert next_offset >= self.offsets.get(partition, 0), "an offset went backwards"
        for record in records:
            try:
                stats = read_stats(record.value or b"")
            except ValueError as error:
                log.warning(
                    "passed over", partition=partition, offset=record.offset, why=str(error)
                )
                continue
            self.has_counts |= isinstance(stats, Stats)
            self._work(self._rollcall.take(stats, record.timestamp_ms))
        self.offsets[partition] = next_offset

    def unheard(self) -> dict[int, int]:
        """As Rollcall has it: partitions whose log may have ended, and up to which round."""
        return self._rollcall.unheard()

    def note_absent(self, partition: int, number: int) -> None:
        """Its log ended with what was taken of it when `unheard` had said the round."""
        self._work(self._rollcall.absent(partition, number))

    def _work(self, called: Iterable[StatsRecord | Round]) -> None:
        for it in called:
            incidents = self._desk.take(it)
            self._told += map(self._incident, incidents)
            if not isinstance(it, Round):
                self._told += map(self._limit, self._limits.take(it))
            ended = self._digests.work((self._desk.next_s or 0) * 1_000, incidents)
            self._told += map(self._digest, ended)

    def page(self) -> Page:
        """The next checkpoint; from here on it counts as written."""
        told, self._told = self._told, []
        self._written += len(told)
        self.has_counts = False
        parts = {
            "desk": self._desk.to_bytes(),
            "limits": self._limits.to_bytes(),
            "digests": self._digests.to_bytes(),
            "rollcall": json.dumps(self._rollcall.state(), separators=(",", ":")).encode(),
        }
        changelog = records_of(Kept(dict(self.offsets), parts), self._pieces)
        return Page({self._remit.incidents_topic: told} if told else {}, changelog)

    def _incident(self, incident: Incident) -> Record:
        log.info(
            "incident",
            state=incident.state,
            cause=incident.cause,
            scope=str(incident.scope),
            orders_timed_out=incident.orders_timed_out,
            incident_id=incident.incident_id,
        )
        headers = incident_headers(incident, self._remit.source)
        return Record(0, -1, incident.incident_id.encode(), encode_incident(incident), headers)

    def _limit(self, crossed: LimitCrossed) -> Record:
        log.info("limit", state=crossed.state, limit=crossed.limit, rule=crossed.rule)
        headers = limit_headers(crossed, self._remit.source)
        return Record(0, -1, crossed.limit_id.encode(), encode_limit(crossed), headers)

    def _digest(self, digest: SilenceEnded) -> Record:
        headers = digest_headers(digest, self._remit.source)
        return Record(0, -1, digest.silence_id.encode(), encode_silence(digest), headers)
