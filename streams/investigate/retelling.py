"""An order's records told again: what each of them did to it, by the worker's own tracker.

Orders are independent of each other, so the tracker needs this order's records only. The arrival
of a record is its timestamp here, which it is wherever the broker sets the time.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.alerts import Alert
from schemas.events import Return, Submission
from schemas.records import RETURNED, SUBMITTED, Problem, Unreadable
from schemas.times import rfc3339
from streams.core.closed import Closed
from streams.core.decisions import Decision, Place
from streams.core.orders import Held, Order, Sent, State
from streams.core.packing import effect_of, unpack
from streams.core.rules import Policy
from streams.core.tracker import Tracker
from streams.investigate.evidence import Evidence, Role

ORDERS_AT_ONCE: Final = 10  # There is one.

Standing = Order | Held | Closed | None


@dataclass(frozen=True, slots=True)
class Turn:
    """What one record or timer did: the order before and after, and the alerts it has to cause."""

    at_ms: int
    evidence: Evidence | None
    before: Standing
    after: Standing
    alerts: tuple[Alert, ...]
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def sent(self) -> Sent | None:
        """The attempt that was open or timed out, where there was one."""
        order = self.after if isinstance(self.after, Order) else self.before
        return order.sent if isinstance(order, Order) else None


def retell(
    order_id: str, place: Place, inputs: Sequence[Evidence], *, policy: Policy, until_ms: int
) -> list[Turn]:
    """What the inputs of one partition number did, in order; timers up to `until_ms`."""
    teller = _Teller(order_id.encode(), Tracker(place, policy))
    side = {Role.SUBMITTED: SUBMITTED, Role.RETURNED: RETURNED}
    arrivals = [0, 0]
    placed: list[tuple[int, int, int, Evidence]] = []
    for each in sorted(inputs, key=lambda it: (it.role, it.record.offset)):
        of = side[each.role]
        arrivals[of] = max(arrivals[of], each.at_ms)
        placed.append((arrivals[of], of, each.record.offset, each))
    for arrival_ms, of, _, each in sorted(placed, key=lambda it: it[:3]):
        teller.go_to(arrival_ms)
        teller.work(each, of, arrival_ms)
    teller.go_to(until_ms)
    return teller.turns


@dataclass(slots=True)
class _Teller:
    key: bytes
    tracker: Tracker
    turns: list[Turn] = field(default_factory=list)

    def go_to(self, to_ms: int) -> None:
        """Let the timers take effect that do so before a time, one after another."""
        orders = self.tracker.book.orders
        while (packed := orders.get(self.key)) and (effect_ms := effect_of(packed)) < to_ms:
            before = self._standing(effect_ms)
            told = _alerts(self.tracker.advance(effect_ms + 1, ORDERS_AT_ONCE))
            after = self._standing(effect_ms)
            if told:
                self.turns.append(Turn(effect_ms, None, before, after, told))

    def work(self, evidence: Evidence, side: int, arrival_ms: int) -> None:
        event = evidence.said
        assert isinstance(event, Submission | Return | Unreadable), "an input is one of these"
        counted = self.tracker.counts.copy()
        before = self._standing(arrival_ms)
        record = evidence.record
        entry = (arrival_ms, side, record.offset, event, record, arrival_ms)
        told = _alerts(self.tracker.apply([entry]))
        after = self._standing(arrival_ms)
        delta = self.tracker.counts - counted
        self.turns.append(Turn(arrival_ms, evidence, before, after, told, delta))

    def _standing(self, at_ms: int) -> Standing:
        packed = self.tracker.book.orders.get(self.key)
        return self.tracker.book.find_closed(self.key, at_ms) if packed is None else unpack(packed)


def _alerts(decisions: Sequence[Decision]) -> tuple[Alert, ...]:
    return tuple(each for each in decisions if isinstance(each, Alert))


def in_words(problem: Problem) -> str:
    """What is wrong with a field, and what would be right."""
    return f"{problem.field} {problem.problem}; right would be {problem.hint}"


def comment(turn: Turn) -> list[str]:
    """What a turn did, for people: a few short sentences without a full stop."""
    evidence = turn.evidence
    if evidence is None:
        return [_of_timer(alert) for alert in turn.alerts]
    if isinstance(evidence.said, Unreadable):
        return [
            "cannot be read, so it is set aside as a dead letter",
            *(
                f"{it.field} {it.problem}; right would be {it.hint}"
                for it in evidence.said.problems
            ),
        ]
    if isinstance(evidence.said, Submission):
        return _of_submission(turn, evidence.said)
    assert isinstance(evidence.said, Return)
    return [_of_return(turn, evidence.said)]


def _of_timer(alert: Alert) -> str:
    if alert.type == "timed_out":
        return f"the deadline of attempt {alert.value['attempt']} passes without a final return"
    return "no submission has come for the return that was held"


def _of_submission(turn: Turn, said: Submission) -> list[str]:
    before, after = turn.before, turn.after
    if turn.counts["duplicate_submissions"]:
        return ["this attempt is known already, so it changes nothing"]
    if isinstance(after, Closed):
        return [f"answered at once by the return held for it: {after.outcome}"]
    assert isinstance(after, Order), "a submission opens, is answered or changes nothing"
    opens = f"opens attempt {after.sent.attempt}"
    if turn.counts["superseded_attempts"] and isinstance(before, Order):
        opens += f" in place of attempt {before.sent.attempt}, which was still open"
    elif isinstance(before, Order):
        opens += f", after attempt {before.sent.attempt} timed out"
    elif isinstance(before, Closed):
        opens += f", after attempt {before.attempt} was closed as {before.outcome}"
    elif isinstance(before, Held):
        opens += "; the return held for it named an earlier attempt and is dropped"
    return [opens, deadline(after.sent, own_ms=said.return_within_ms)]


def deadline(sent: Sent, *, own_ms: int | None) -> str:
    """The arithmetic of a deadline."""
    whose = f"rule {sent.rule}"
    if own_ms == sent.return_within_ms:
        whose = f"its own return_within_ms, within the bounds of rule {sent.rule}"
    elif own_ms is not None:
        whose = f"its own return_within_ms {own_ms}, clamped by rule {sent.rule}"
    within_s = f"{sent.return_within_ms / 1_000:g} s"
    return (
        f"deadline: submitted_at {rfc3339(sent.submitted_at)} + {within_s} ({whose}, "
        f"{sent.severity}) = {rfc3339(sent.deadline_ms)}"
    )


def _of_return(turn: Turn, said: Return) -> str:
    before, after = turn.before, turn.after
    kinds = {alert.type: alert for alert in turn.alerts}
    if turn.counts["interim_returns"]:
        return f"{said.outcome} is interim: " + (
            "the order stays open" if isinstance(before, Order) else "it changes nothing"
        )
    if turn.counts["older_returns"]:
        return f"answers attempt {said.attempt}, an earlier one: only counted"
    if turn.counts["duplicate_returns"]:
        return f"{said.outcome} once more, so it changes nothing"
    if "conflicting_return" in kinds:
        first = kinds["conflicting_return"].value
        return f"{said.outcome} contradicts the outcome before it: {dict(first)['first_outcome']}"
    if isinstance(after, Held):
        again = "takes the place of the return held before, and " if before else ""
        until = rfc3339(after.effect_ms)
        return f"{again}no submission is known: it is held for one until {until}"
    if isinstance(before, Order) and isinstance(after, Closed):
        return f"closes attempt {after.attempt} as {after.outcome}, {margin(before, turn.at_ms)}"
    if isinstance(after, Closed):
        return f"answers attempt {after.attempt}, a newer one, as {after.outcome}"
    return f"{said.outcome}"


def margin(order: Order, arrival_ms: int) -> str:
    """How a return's arrival stands to the deadline of the attempt it answers."""
    sent = order.sent
    left_ms = sent.deadline_ms - arrival_ms
    side = "before" if left_ms >= 0 else "after"
    words = f"{abs(left_ms) / 1_000:.3f} s {side} its deadline"
    if order.state == State.OPEN and left_ms < 0:
        return f"{words}, before that took effect"
    return words
