"""Whether Returnwatch itself can see: from heartbeats alone, and never blamed on a provider."""

from typing import Any, Final

from schemas.incidents import Incident, IncidentState, RankedCause, Scope, incident_id
from schemas.stats import HEARTBEAT_S, Heartbeat
from schemas.times import SECOND_MS, rfc3339
from streams.core.incidents.remedies import REMEDIES, runbook_of

BEHIND_MS: Final = 30 * SECOND_MS  # So far behind the clock is blind ...
CAUGHT_UP_MS: Final = 10 * SECOND_MS  # ... until it is that near again.
MISSING_MS: Final = 4 * HEARTBEAT_S * SECOND_MS  # Three heartbeats in a row are late or lost.


class Monitor:
    """The newest heartbeat of each partition number, and the blind span that is open."""

    def __init__(self) -> None:
        self._sent_ms: dict[int, int] = {}
        self._frontier_ms: dict[int, int] = {}
        self._blind: dict[int, str] = {}
        self._since_ms: int | None = None
        self._revision = 0
        self._what = ""

    def take(self, beat: Heartbeat) -> list[Incident]:
        """What the next heartbeat opens or closes."""
        partition = beat.partition
        before_ms = self._frontier_ms.get(partition, beat.frontier_ms)
        silence_ms = beat.sent_at_ms - self._sent_ms.get(partition, beat.sent_at_ms)
        self._sent_ms[partition] = max(beat.sent_at_ms, self._sent_ms.get(partition, 0))
        self._frontier_ms[partition] = beat.frontier_ms
        behind_ms = beat.sent_at_ms - beat.frontier_ms
        if beat.held or behind_ms > BEHIND_MS:
            what = "holds its verdicts" if beat.held else f"is {behind_ms // SECOND_MS} s behind"
            self._blind.setdefault(partition, f"partition {partition} {what}")
        elif behind_ms <= CAUGHT_UP_MS:
            self._blind.pop(partition, None)
        self._note_missing(beat.sent_at_ms)
        if silence_ms > MISSING_MS and self._since_ms is None:  # Nobody else was there to see it.
            gone = f"partition {partition} sent no heartbeat for {silence_ms // SECOND_MS} s"
            return [*self._open(before_ms, gone, beat), *self._close(beat)]
        if self._blind and self._since_ms is None:
            since_ms = min(self._frontier_ms[it] for it in self._blind)
            return self._open(since_ms, "; ".join(self._blind.values()), beat)
        if not self._blind and self._since_ms is not None:
            return self._close(beat)
        return []

    def _note_missing(self, now_ms: int) -> None:
        for partition, sent_ms in self._sent_ms.items():
            if now_ms - sent_ms > MISSING_MS:
                self._blind.setdefault(partition, f"partition {partition} sends no heartbeat")

    def _open(self, since_ms: int, what: str, beat: Heartbeat) -> list[Incident]:
        self._since_ms, self._revision, self._what = since_ms, 0, what
        return [self._tell("opened", beat)]

    def _close(self, beat: Heartbeat) -> list[Incident]:
        told = [self._tell("closed", beat)]
        self._since_ms = None
        return told

    def _tell(self, state: IncidentState, beat: Heartbeat) -> Incident:
        assert self._since_ms is not None, "a blind span is told of while it is open"
        self._revision += 1
        since, now = rfc3339(self._since_ms), rfc3339(beat.sent_at_ms)
        until = now if state == "closed" else None
        span = f"blind from {since}" + (f" to {now}" if until else "")
        return Incident(
            incident_id=incident_id(Scope(), self._since_ms // SECOND_MS, "monitor"),
            revision=self._revision,
            state=state,
            cause="monitor",
            causes=(RankedCause("monitor", 1000, (span, self._what)),),
            scope=Scope(),
            since=since,
            until=until,
            told_at=now,
            orders_timed_out=0,
            returned_late=0,
            money_at_risk=(),
            order_ids=(),
            severity="warning",
            remedy=REMEDIES["monitor"],
            runbook=runbook_of("monitor"),
            silenced=None,
        )

    def state(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        return {
            "sent_ms": list(self._sent_ms.items()),
            "frontier_ms": list(self._frontier_ms.items()),
            "blind": list(self._blind.items()),
            "since_ms": self._since_ms,
            "revision": self._revision,
            "what": self._what,
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Monitor":
        """The same again."""
        made = cls()
        made._sent_ms = dict(state["sent_ms"])
        made._frontier_ms = dict(state["frontier_ms"])
        made._blind = dict(state["blind"])
        made._since_ms, made._revision = state["since_ms"], state["revision"]
        made._what = state["what"]
        return made
