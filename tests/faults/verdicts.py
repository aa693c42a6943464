"""What has to be told for a log: the auditor's own reading of design sections 3 and 4.

Plain and slow, from the text, one order at a time; nothing of streams.core is in it. Every timer
is let go off at the end, because the auditor looks when all of them are over.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from schemas.events import ReturnJson, SubmissionJson
from schemas.records import Unreadable
from tests.faults.wording import Place, Wording, answer, encoded

FINAL: Final = {"accepted", "rejected", "cancelled"}
FOREVER_MS: Final = 10**15


@dataclass(frozen=True, slots=True)
class Terms:
    """What verdicts depend on besides the records: one rule for all orders, in ms."""

    return_within_ms: int
    grace_ms: int
    hold_ms: int
    remember_ms: int


class Line(NamedTuple):
    """A record as the sequence orders it, and what was read from it."""

    arrival_ms: int
    side: int  # 0 submitted, 1 returned.
    offset: int
    key: bytes | None
    event: Any


@dataclass(frozen=True, slots=True)
class Due:
    """An alert that has to be told, once."""

    type: str
    order_id: str
    partition: int
    alert_id: str
    effect_ms: int
    value: bytes
    traceparent: str | None


def due_alerts(lines: Iterable[Line], place: Place, terms: Terms) -> Iterator[Due]:
    """Every alert of one partition number, within one order in their order."""
    by_order: dict[bytes, list[Line]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: line[:3]):
        if line.key is not None:
            by_order[line.key].append(line)
    for key, its in by_order.items():
        if not all(isinstance(line.event, Unreadable) for line in its):
            wording = Wording(key.decode(), place, terms.return_within_ms)
            yield from Life(wording, terms).live(its)


@dataclass(slots=True)
class Life:
    """One order from its first record to its last timer.

    `phase` is unknown, open, timed_out, held or closed; `timer` (ms) is when it changes by itself.
    """

    wording: Wording
    terms: Terms
    phase: str = "unknown"
    timer: int = FOREVER_MS
    attempt: int = 0
    sent: tuple[SubmissionJson, int] | None = None  # The newest attempt, and its offset.
    missed: tuple[SubmissionJson, int] | None = None  # The newest attempt that timed out.
    held: tuple[ReturnJson, int, int] | None = None  # With its arrival and offset.
    told_unmatched: bool = False
    outcome: str = ""
    interim: dict[str, Any] | None = None
    older: dict[str, Any] | None = None
    unreadable: dict[str, Any] | None = None
    due: list[Due] = field(default_factory=list)

    def live(self, lines: Iterable[Line]) -> list[Due]:
        for line in lines:
            self._let_timers_go_off(line.arrival_ms)
            if isinstance(line.event, Unreadable):
                self._see_unreadable(line)
            elif line.side == 0:
                self._submission(line)
            elif line.event["outcome"] in FINAL:
                self._final(line)
            else:
                self._interim(line.event)
        self._let_timers_go_off(FOREVER_MS)
        return self.due

    # Timers.

    def _let_timers_go_off(self, before_ms: int) -> None:
        while self.timer < before_ms:
            at = self.timer
            if self.phase == "open":
                self._time_out(at)
            elif self.phase == "held" and not self.told_unmatched:
                self._say_unmatched(at)
            else:
                self._forget()

    def _time_out(self, at: int) -> None:
        assert self.sent is not None
        value = self.wording.of_submission("timed_out", self.sent)
        value |= {"interim": self.interim, "older": self.older, "unreadable": self.unreadable}
        self._tell(value, at, self.sent[0].get("traceparent"))
        self.phase, self.timer, self.missed = "timed_out", at + self.terms.remember_ms, self.sent

    def _say_unmatched(self, at: int) -> None:
        assert self.held is not None
        event, arrival, offset = self.held
        value = self.wording.of_return("unmatched_return", event, offset)
        self._tell(value | {"attempt": event.get("attempt")} | answer(event, arrival), at)
        self.told_unmatched = True
        self.timer = max(arrival + self.terms.remember_ms, at)

    def _forget(self) -> None:
        self.phase, self.timer, self.told_unmatched = "unknown", FOREVER_MS, False
        self.sent = self.missed = self.held = None
        self.interim = self.older = self.unreadable = None

    # Records.

    def _see_unreadable(self, line: Line) -> None:
        if line.side == 1 and self.phase in ("open", "timed_out"):
            count = self.unreadable["count"] + 1 if self.unreadable else 1
            self.unreadable = {
                "count": count,
                "topic": self.wording.place.returned,
                "partition": self.wording.place.partition,
                "offset": line.offset,
                "field": line.event.problems[0].field,
            }

    def _submission(self, line: Line) -> None:
        attempt = line.event.get("attempt") or 1
        if self.phase == "held":
            assert self.held is not None
            named = self.held[0].get("attempt")
            if named is None or named >= attempt:
                self._close(max(named or 0, attempt), self.held[0]["outcome"], line.arrival_ms)
                return
            self._forget()
        elif self.phase != "unknown" and attempt <= self.attempt:
            return
        if self.phase not in ("open", "timed_out"):
            self._forget()
        self.phase, self.attempt, self.interim = "open", attempt, None
        self.sent = (line.event, line.offset)
        self.timer = max(self.wording.deadline(line.event), line.arrival_ms)

    def _interim(self, event: ReturnJson) -> None:
        if self.phase in ("open", "timed_out") and event.get("attempt") in (None, self.attempt):
            self.interim = {
                "outcome": event["outcome"],
                "code": event.get("code"),
                "message": event.get("message"),
                "count": self.interim["count"] + 1 if self.interim else 1,
            }

    def _final(self, line: Line) -> None:
        match self.phase:
            case "unknown":
                self._hold(line)
            case "held":
                self._held_again(line)
            case "closed":
                self._closed_again(line)
            case _:
                self._answer(line)

    def _hold(self, line: Line) -> None:
        self.phase, self.held = "held", (line.event, line.arrival_ms, line.offset)
        self.told_unmatched = False
        self.timer = line.arrival_ms + self.terms.hold_ms

    def _held_again(self, line: Line) -> None:
        assert self.held is not None
        first, new = self.held[0], line.event
        if first.get("attempt") and new.get("attempt") and new["attempt"] != first["attempt"]:
            if new["attempt"] > first["attempt"]:
                self._hold(line)
        elif new["outcome"] != first["outcome"]:
            self._conflict(line, first.get("attempt"), first["outcome"])

    def _closed_again(self, line: Line) -> None:
        named, outcome = line.event.get("attempt"), line.event["outcome"]
        if named is not None and named > self.attempt:
            self._close(named, outcome, line.arrival_ms)
        elif named is not None and named < self.attempt:
            if outcome == self.outcome == "accepted":
                self._conflict(line, self.attempt, self.outcome)
        elif outcome != self.outcome:
            self._conflict(line, self.attempt, self.outcome)

    def _answer(self, line: Line) -> None:
        event = line.event
        named = event.get("attempt")
        if named is not None and named < self.attempt:
            self.older = {"attempt": named, "outcome": event["outcome"]}
            return
        if self.missed is not None:
            value = self.wording.of_submission("returned_late", self.missed)
            submission = self.missed[0]
            value["resolves"] = self.wording.resolved(submission)
            value |= answer(event, line.arrival_ms)
            value["late_by_ms"] = line.arrival_ms - self.wording.deadline(submission)
            self._tell(value, line.arrival_ms, submission.get("traceparent"))
        self._close(named or self.attempt, event["outcome"], line.arrival_ms)

    def _close(self, attempt: int, outcome: str, at: int) -> None:
        self._forget()
        self.phase, self.attempt, self.outcome = "closed", attempt, outcome
        self.timer = at + self.terms.remember_ms

    def _conflict(self, line: Line, attempt: int | None, first_outcome: str) -> None:
        value = self.wording.of_return("conflicting_return", line.event, line.offset)
        value |= {"attempt": attempt, "first_outcome": first_outcome}
        self._tell(value | answer(line.event, line.arrival_ms), line.arrival_ms)

    def _tell(self, value: dict[str, Any], at: int, traceparent: str | None = None) -> None:
        kind, alert_id = value["type"], value["alert_id"]
        place = self.wording.place.partition
        told = Due(kind, self.wording.order_id, place, alert_id, at, encoded(value), traceparent)
        self.due.append(told)
