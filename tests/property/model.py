"""A naive model of the verdicts, from the specification alone.

Slow and plain on purpose: all records are known, sorted once, and each order is walked alone with
a list of timers. Shares the codec and the id of an alert with the core, nothing else.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from schemas.fields import RETURN_WITHIN_MAX_MS
from schemas.records import RETURNED, SUBMITTED, Record, Unreadable
from streams.core.rules import Policy, Rule, Rules
from tests.events import read_return, read_submission
from tests.property.values import (
    Arrived,
    Attempt,
    Fields,
    answer_of,
    of_return,
    of_submission,
    returned_late,
    source,
)

FINAL: Final = ("accepted", "rejected", "cancelled")
RANKS: Final = {"deadline": 0, "hold": 1, "forget": 2}  # Which timer goes first at equal times.

Logs = tuple[list[Record], list[Record]]  # Of the submitted and of the returned topic.


@dataclass(frozen=True)
class Told:
    """An alert, and when its record or timer took effect."""

    effect_ms: int
    value: Fields


@dataclass
class Verdicts:
    """What a whole log leads to: alerts of each order, in order, and dead (side, offset)."""

    alerts: dict[str, list[Told]]
    dead_letters: set[tuple[int, int]]


@dataclass(frozen=True)
class Terms:
    """What the verdicts depend on beside the log: one rule, two times, where it was entered, and
    until when records of it were lost."""

    rule: Rule
    hold_ms: int
    remember_ms: int
    cut_ms: int | None = None
    gap_until_ms: int = 0

    @property
    def policy(self) -> Policy:
        """The same for the real core."""
        rules = Rules((self.rule,))
        return Policy(rules=rules, hold_ms=self.hold_ms, remember_ms=self.remember_ms)

    def within_ms(self, own_ms: int | None) -> int:
        """An order's own time to return wins over the rule, inside the rule's bounds."""
        if own_ms is None:
            return self.rule.return_within_ms
        return min(max(own_ms, self.rule.min_ms), self.rule.max_ms)

    def is_quiet(self, arrival_ms: int) -> bool:
        """Whether a return held since then says nothing about its missing submission."""
        if self.cut_ms is None:
            return False
        # What an order may ask for at most counts where the rule names it, as in Rules.longest_ms.
        named_max_ms = 0 if self.rule.max_ms == RETURN_WITHIN_MAX_MS else self.rule.max_ms
        longest_ms = max(self.rule.return_within_ms, named_max_ms)
        return arrival_ms < self.cut_ms + max(self.remember_ms, longest_ms)


def verdicts(logs: Logs, terms: Terms, *, frontier_ms: int) -> Verdicts:
    """Every verdict before the frontier."""
    worked = [entry for entry in sequence(logs) if entry.arrival_ms < frontier_ms]
    dead = {(entry.side, entry.offset) for entry in worked if isinstance(entry.event, Unreadable)}
    by_order: defaultdict[bytes, list[Arrived]] = defaultdict(list)
    for entry in worked:
        by_order[key_of(entry)].append(entry)
    alerts: dict[str, list[Told]] = {}
    for key, entries in by_order.items():
        order = OrderModel(terms)
        for entry in entries:
            order.settle(entry.arrival_ms)
            order.work(entry)
        order.settle(frontier_ms)
        if order.told:
            alerts[key.decode()] = order.told
    return Verdicts(alerts, dead)


def sequence(logs: Logs) -> list[Arrived]:
    """Both logs as one: by arrival time, then submitted before returned, then offset."""
    entries: list[Arrived] = []
    for side, read in ((SUBMITTED, read_submission), (RETURNED, read_return)):
        highest_ms = 0
        for record in logs[side]:
            highest_ms = max(highest_ms, record.timestamp_ms)
            entries.append(Arrived(highest_ms, side, record.offset, read(record)))
    return sorted(entries, key=lambda entry: (entry.arrival_ms, entry.side, entry.offset))


def key_of(entry: Arrived) -> bytes:
    """Whose order a record is about; unreadable ones belong to their key."""
    if isinstance(entry.event, Unreadable):
        return entry.event.record.key or b""
    return str(entry.event["order_id"]).encode()


@dataclass
class OrderModel:
    """One order: `phase` is a row of the table, the rest is what that row needs."""

    terms: Terms
    phase: str = "unknown"
    number: int = 0  # The newest attempt, n in the table.
    attempt: Attempt | None = None
    withheld: bool = False  # The attempt's return may be lost, so its time-out is not told.
    late: Attempt | None = None  # The newest attempt that timed out and is not settled.
    held: Arrived | None = None
    outcome: str = ""  # Of a closed order.
    interim: Fields | None = None
    older: Fields | None = None
    unreadable: Fields | None = None
    timers: list[tuple[int, int, str]] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def settle(self, before_ms: int) -> None:
        """Fire every timer with an effect before a time, one after another."""
        while self.timers and min(self.timers)[0] < before_ms:
            timer = min(self.timers)
            self.timers.remove(timer)
            getattr(self, "fire_" + timer[2])(timer[0])

    def work(self, entry: Arrived) -> None:
        """Take the next record of the order."""
        if isinstance(entry.event, Unreadable):
            if entry.side == RETURNED:
                self.note_unreadable(entry)
        elif entry.side == SUBMITTED:
            self.submitted(entry)
        elif entry.event["outcome"] in FINAL:
            getattr(self, "answered_" + self.phase)(entry, entry.event.get("attempt"))
        else:
            self.note_interim(entry)

    # Timers.

    def set_timers(self, set_at_ms: int, **times_ms: int) -> None:
        """Replace all timers of the order; none takes effect before it was set."""
        self.timers = [
            (max(time_ms, set_at_ms), RANKS[name], name) for name, time_ms in times_ms.items()
        ]

    def fire_deadline(self, effect_ms: int) -> None:
        assert self.attempt is not None
        self.phase = "timed_out"
        if not self.withheld:
            self.late = self.attempt
            value = of_submission("timed_out", self.attempt)
            evidence = {"interim": self.interim, "older": self.older, "unreadable": self.unreadable}
            self.told.append(Told(effect_ms, value | evidence))
        self.set_timers(effect_ms, forget=effect_ms + self.terms.remember_ms)

    def fire_hold(self, effect_ms: int) -> None:
        assert self.held is not None
        if not self.terms.is_quiet(self.held.arrival_ms):
            value = of_return("unmatched_return", self.held)
            value["attempt"] = self.held.event.get("attempt")
            self.told.append(Told(effect_ms, value | answer_of(self.held)))

    def fire_forget(self, _: int) -> None:
        self.become("unknown", number=0)

    # Submissions.

    def submitted(self, entry: Arrived) -> None:
        number = entry.event.get("attempt") or 1
        if self.phase == "held":
            assert self.held is not None
            named = self.held.event.get("attempt")
            if named is None or named >= number:
                self.close(entry.arrival_ms, named or number, self.held.event["outcome"])
                return
            self.become("unknown", number=0)
        if self.phase == "closed" and number > self.number:
            self.become("unknown", number=0)
        if self.phase == "unknown" or number > self.number:
            self.open(entry, number)

    def open(self, entry: Arrived, number: int) -> None:
        within_ms = self.terms.within_ms(entry.event.get("return_within_ms"))
        rule = self.terms.rule
        self.attempt = Attempt(number, entry.event, entry.offset, rule, within_ms)
        self.phase, self.number, self.interim = "open", number, None
        self.withheld = entry.arrival_ms < self.terms.gap_until_ms
        self.set_timers(entry.arrival_ms, deadline=self.attempt.deadline_ms)

    # Final returns, a function for each row.

    def answered_unknown(self, entry: Arrived, _: int | None) -> None:
        self.become("held", number=0)
        self.held = entry
        terms, now_ms = self.terms, entry.arrival_ms
        self.set_timers(now_ms, hold=now_ms + terms.hold_ms, forget=now_ms + terms.remember_ms)

    def answered_open(self, entry: Arrived, named: int | None) -> None:
        if named is not None and named < self.number:
            self.older = {"attempt": named, "outcome": entry.event["outcome"]}
            return
        if self.late is not None:
            self.told.append(Told(entry.arrival_ms, returned_late(self.late, entry)))
        self.close(entry.arrival_ms, named or self.number, entry.event["outcome"])

    answered_timed_out = answered_open

    def answered_held(self, entry: Arrived, named: int | None) -> None:
        assert self.held is not None
        first = self.held.event.get("attempt")
        if named is not None and first is not None and named != first:
            if named > first:
                self.answered_unknown(entry, named)
        elif entry.event["outcome"] != self.held.event["outcome"]:
            self.conflict(entry, first, self.held.event["outcome"])

    def answered_closed(self, entry: Arrived, named: int | None) -> None:
        outcome = entry.event["outcome"]
        if named is not None and named > self.number:
            self.close(entry.arrival_ms, named, outcome)
        elif named is not None and named < self.number:
            if outcome == self.outcome == "accepted":
                self.conflict(entry, self.number, self.outcome)
        elif outcome != self.outcome:
            self.conflict(entry, self.number, self.outcome)

    def close(self, arrival_ms: int, number: int, outcome: str) -> None:
        self.become("closed", number=number)
        self.outcome = outcome
        self.set_timers(arrival_ms, forget=arrival_ms + self.terms.remember_ms)

    def conflict(self, entry: Arrived, attempt: int | None, first_outcome: str) -> None:
        value = of_return("conflicting_return", entry)
        value |= {"attempt": attempt, "first_outcome": first_outcome, **answer_of(entry)}
        self.told.append(Told(entry.arrival_ms, value))

    # Evidence.

    def note_interim(self, entry: Arrived) -> None:
        event = entry.event
        if self.phase in ("open", "timed_out") and event.get("attempt") in (None, self.number):
            count = self.interim["count"] + 1 if self.interim else 1
            shown = {name: event.get(name) for name in ("outcome", "code", "message")}
            self.interim = {**shown, "count": count}

    def note_unreadable(self, entry: Arrived) -> None:
        if self.phase in ("open", "timed_out"):
            count = self.unreadable["count"] + 1 if self.unreadable else 1
            place = source(RETURNED, entry.offset)
            self.unreadable = {"count": count, **place, "field": entry.event.problems[0].field}

    def become(self, phase: str, *, number: int) -> None:
        """Enter a row that keeps nothing of what was."""
        self.phase, self.number, self.timers = phase, number, []
        self.attempt = self.late = self.held = None
        self.interim = self.older = self.unreadable = None
        self.outcome = ""
