"""What happened during each silence, told once when it is over.

Takes the silences that are known and the incidents as they are told. Works in event time: a silence
is over when every second up to its end is worked. Measuring goes on meanwhile.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.incidents import AtRisk, Incident, encode_incident, read_incident
from schemas.silences import (
    SilencedIncident,
    SilenceEnded,
    SilenceRecord,
    encode_silence,
    read_silence,
)


@dataclass(slots=True)
class _InForce:
    """A silence that has begun, and its incidents as they were told last."""

    silence: SilenceRecord
    incidents: dict[str, Incident] = field(default_factory=dict)


class Digests:
    """Follows silences from their beginning to their end."""

    def __init__(self) -> None:
        self._known: dict[str, SilenceRecord] = {}
        self._in_force: dict[str, _InForce] = {}
        self._worked_ms = 0

    @classmethod
    def from_bytes(cls, data: bytes) -> "Digests":
        """As `to_bytes` left it; ValueError if it is none of ours."""
        digests = cls()
        try:
            document = json.loads(data)
            digests._worked_ms = document["worked_ms"]
            for text, told in document["in_force"]:
                silence = read_silence(text.encode())
                incidents = [read_incident(each.encode()) for each in told]
                by_id = {each.incident_id: each for each in incidents}
                digests._in_force[silence.silence_id] = _InForce(silence, by_id)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a state of digests: {error}") from error
        return digests

    def to_bytes(self) -> bytes:
        """All that is kept."""
        rows = [
            (
                encode_silence(each.silence).decode(),
                [encode_incident(incident).decode() for incident in each.incidents.values()],
            )
            for each in self._in_force.values()
        ]
        document = {"worked_ms": self._worked_ms, "in_force": rows}
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

    def know(self, silences: Iterable[SilenceRecord]) -> None:
        """All silences that there are, from now on."""
        self._known = {silence.silence_id: silence for silence in silences}
        for silence_id, each in self._in_force.items():
            each.silence = self._known.get(silence_id, each.silence)

    def work(self, to_ms: int, told: Iterable[Incident]) -> list[SilenceEnded]:
        """Go on to `to_ms`, in which step these incidents were told; the silences that ended."""
        for silence_id, silence in self._known.items():
            has_begun = silence.from_ms < min(to_ms, silence.until_ms)
            if has_begun and silence.until_ms > self._worked_ms:
                self._in_force.setdefault(silence_id, _InForce(silence))
        for incident in told:
            self._note(incident)
        self._worked_ms = max(self._worked_ms, to_ms)
        over = sorted(
            silence_id
            for silence_id, each in self._in_force.items()
            if each.silence.until_ms <= self._worked_ms
        )
        return [_digest(self._in_force.pop(silence_id)) for silence_id in over]

    def _note(self, incident: Incident) -> None:
        if incident.silenced is None:
            return
        for each in self._in_force.values():
            scope = incident.scope
            covered = each.silence.scope.covers(scope.provider, scope.merchant, scope.kind)
            if covered and each.silence.why == incident.silenced:
                each.incidents[incident.incident_id] = incident


def _digest(ended: _InForce) -> SilenceEnded:
    silence, incidents = ended.silence, list(ended.incidents.values())
    money: Counter[str] = Counter()
    for incident in incidents:
        for at_risk in incident.money_at_risk:
            money[at_risk.currency] += at_risk.amount_minor
    return SilenceEnded(
        silence_id=silence.silence_id,
        state="ended",
        scope=silence.scope,
        since=silence.since,
        until=silence.until,
        why=silence.why,
        orders_timed_out=sum(incident.orders_timed_out for incident in incidents),
        returned_late=sum(incident.returned_late for incident in incidents),
        money_at_risk=tuple(AtRisk(each, money[each]) for each in sorted(money)),
        incidents=tuple(map(_silenced, incidents)),
    )


def _silenced(incident: Incident) -> SilencedIncident:
    return SilencedIncident(
        incident_id=incident.incident_id,
        cause=incident.cause,
        scope=incident.scope,
        since=incident.since,
        until=incident.until,
        orders_timed_out=incident.orders_timed_out,
        returned_late=incident.returned_late,
    )
