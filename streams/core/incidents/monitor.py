"""Whether Returnwatch itself can see: from rounds of heartbeats alone, and never blamed on a
provider."""

from typing import Any, Final

from schemas.incidents import Incident, IncidentState, RankedCause, Scope, incident_id
from schemas.stats import HEARTBEAT_S, Heartbeat
from schemas.times import SECOND_MS, rfc3339
from streams.core.incidents.remedies import REMEDIES, runbook_of
from streams.core.incidents.rollcall import BEATS_MISSED, Round

BEHIND_MS: Final = 30 * SECOND_MS  # So far behind the clock is blind ...
CAUGHT_UP_MS: Final = 10 * SECOND_MS  # ... until it is that near again.
MISSING_MS: Final = BEATS_MISSED * HEARTBEAT_S * SECOND_MS


class Monitor:
    """The newest heartbeat of each partition number, and the blind span that is open."""

    def __init__(self) -> None:
        self._sent_ms: dict[int, int] = {}
        self._frontier_ms: dict[int, int] = {}
        self._blind: dict[int, str] = {}
        self._now_ms = 0  # The newest time that a heartbeat named.
        self._told_to_ms = 0  # The end of the newest blind span.
        self._since_ms: int | None = None
        self._revision = 0
        self._what = ""

    def take(self, called: Round) -> list[Incident]:
        """What the next round opens or closes."""
        now_ms = max((beat.sent_at_ms for beat in called.beats), default=called.end_ms)
        self._now_ms = max(self._now_ms, now_ms)
        gaps = [gap for beat in called.beats if (gap := self._note(beat)) is not None]
        for partition, since_ms in called.missing.items():
            since = "it was added" if since_ms is None else rfc3339(since_ms)
            what = f"partition {partition} is not told about since {since}"
            self._blind.setdefault(partition, what)
            self._frontier_ms.setdefault(partition, since_ms or called.end_ms)
        if self._since_ms is None and (self._blind or gaps):
            since_ms = min([self._frontier_ms[it] for it in self._blind] + [at for at, _ in gaps])
            told = self._open(since_ms, "; ".join([*self._blind.values(), *(it for _, it in gaps)]))
            return told if self._blind else [*told, *self._close()]
        if self._since_ms is not None and not self._blind:
            return self._close()
        return []

    def _note(self, beat: Heartbeat) -> tuple[int, str] | None:
        """Take in a heartbeat; a gap before it that nobody was there to see, and its beginning."""
        partition = beat.partition
        before_ms = self._frontier_ms.get(partition, beat.frontier_ms)
        silence_ms = beat.sent_at_ms - self._sent_ms.get(partition, beat.sent_at_ms)
        self._sent_ms[partition] = max(beat.sent_at_ms, self._sent_ms.get(partition, 0))
        self._frontier_ms[partition] = beat.frontier_ms
        was_blind = partition in self._blind
        behind_ms = beat.sent_at_ms - beat.frontier_ms
        if beat.held or behind_ms > BEHIND_MS:
            what = "holds its verdicts" if beat.held else f"is {behind_ms // SECOND_MS} s behind"
            self._blind[partition] = f"partition {partition} {what}"
        elif behind_ms <= CAUGHT_UP_MS:
            self._blind.pop(partition, None)
        if silence_ms <= MISSING_MS or was_blind or before_ms < self._told_to_ms:
            return None
        gone = f"partition {partition} sent no heartbeat for {silence_ms // SECOND_MS} s"
        return before_ms, gone

    def _open(self, since_ms: int, what: str) -> list[Incident]:
        self._since_ms, self._revision, self._what = since_ms, 0, what
        return [self._tell("opened")]

    def _close(self) -> list[Incident]:
        told = [self._tell("closed")]
        self._told_to_ms = self._now_ms
        self._since_ms = None
        return told

    def _tell(self, state: IncidentState) -> Incident:
        assert self._since_ms is not None, "a blind span is told of while it is open"
        self._revision += 1
        since, now = rfc3339(self._since_ms), rfc3339(self._now_ms)
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
            "now_ms": self._now_ms,
            "told_to_ms": self._told_to_ms,
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
        made._now_ms, made._told_to_ms = state["now_ms"], state["told_to_ms"]
        made._since_ms, made._revision = state["since_ms"], state["revision"]
        made._what = state["what"]
        return made
