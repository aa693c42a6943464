"""In one sentence what happened to an order.

Takes the turns of each partition number that has records of it, and says how it ended.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.alerts import Alert
from schemas.events import Return
from schemas.records import Unreadable
from schemas.times import rfc3339
from streams.core.closed import Closed
from streams.core.orders import Held, Order, Sent, State
from streams.investigate.evidence import Evidence, Role
from streams.investigate.retelling import Turn


@dataclass(frozen=True, slots=True)
class Ending:
    """One word for programs (`timed_out`, `answered`, ...), one sentence for people."""

    kind: str
    sentence: str


def ending(turns: Mapping[int, Sequence[Turn]], others: Sequence[Evidence], now_ms: int) -> Ending:
    """How an order ended, from what its records did by partition number, and other evidence."""
    parted = {number: each for number, each in turns.items() if each}
    if len(parted) > 1:
        return _parted(parted, now_ms)
    for each in parted.values():
        return _of_turns(each, now_ms)
    return _without_records(others)


def _parted(turns: Mapping[int, Sequence[Turn]], now_ms: int) -> Ending:
    told = [
        f"in partition {number}: {_without_stop(_of_turns(each, now_ms).sentence)}"
        for number, each in sorted(turns.items())
    ]
    numbers = " and ".join(str(number) for number in sorted(turns))
    return Ending(
        "parted",
        f"Parted: its records lie in partitions {numbers}, which no worker sees together, so "
        f"each is judged alone; {'; '.join(told)}. One of its producers partitions by another "
        "hash, key or count.",
    )


def _of_turns(turns: Sequence[Turn], now_ms: int) -> Ending:
    alerts = [alert for turn in turns for alert in turn.alerts]
    newest: dict[str, Any] = {alert.type: dict(alert.value) for alert in alerts}
    answer = _last_answer(turns)
    sent = _newest_attempt(turns)
    if "conflicting_return" in newest:
        return _conflicting(newest["conflicting_return"])
    if sent is None and "unmatched_return" in newest and answer is None:
        return _unmatched(newest["unmatched_return"])
    if answer is not None and _is_of_newest(answer, sent):
        return _answered(turns, answer, newest)
    if sent is not None:
        return _unanswered(turns, sent, now_ms)
    if answer is not None:
        return _answered(turns, answer, newest)
    held = turns[-1].after
    if isinstance(held, Held):
        return Ending(
            "held",
            f"Held: {held.outcome} came at {rfc3339(held.arrival_ms)}, and no submission of it is "
            f"known yet; it is told as unmatched after {rfc3339(held.effect_ms)}.",
        )
    return _unread(turns)


def _is_of_newest(answer: Turn, sent: Sent | None) -> bool:
    closed = answer.after
    assert isinstance(closed, Closed), "an answer closes"
    return sent is None or closed.attempt >= sent.attempt


def _last_answer(turns: Sequence[Turn]) -> Turn | None:
    """The last turn that closed the order, a duplicate not being one."""
    closing = [
        turn for turn in turns if isinstance(turn.after, Closed) and turn.after != turn.before
    ]
    return closing[-1] if closing else None


def _newest_attempt(turns: Sequence[Turn]) -> Sent | None:
    sent = [turn.after.sent for turn in turns if isinstance(turn.after, Order)]
    return sent[-1] if sent else None


def _conflicting(value: dict[str, Any]) -> Ending:
    return Ending(
        "conflicting_return",
        f"Contradicted: it was answered {value['first_outcome']}, and then {value['outcome']} came "
        f"at {value['arrived_at']}; the first stands.",
    )


def _unmatched(value: dict[str, Any]) -> Ending:
    return Ending(
        "unmatched_return",
        f"Unmatched: {value['outcome']} came at {value['arrived_at']}, and no submission of it "
        "came before or within the time that returns are held.",
    )


def _answered(turns: Sequence[Turn], turn: Turn, newest: dict[str, Any]) -> Ending:
    closed, before = turn.after, turn.before
    assert isinstance(closed, Closed), "an answer closes"
    late = [alert for alert in turn.alerts if alert.type == "returned_late"]
    if late:
        return _late(late[0], closed)
    if isinstance(before, Held):
        came = rfc3339(before.arrival_ms)
        return Ending(
            "answered",
            f"Answered: {closed.outcome} came first, at {came}, and was held until the submission "
            f"came at {rfc3339(turn.at_ms)}.",
        )
    sent = turn.sent
    if sent is None:
        return Ending("answered", f"Answered: {closed.outcome} for attempt {closed.attempt}.")
    took_s = (turn.at_ms - sent.submitted_at) / 1_000
    left_s = (sent.deadline_ms - turn.at_ms) / 1_000
    attempts = "" if closed.attempt == 1 else f"attempt {closed.attempt} was "
    return Ending(
        "answered",
        f"Answered: {attempts}{closed.outcome} {took_s:.3f} s after it was submitted, "
        f"{left_s:.3f} s before the deadline.",
    )


def _late(alert: Alert, closed: Closed) -> Ending:
    value: dict[str, Any] = dict(alert.value)
    who = f"attempt {closed.attempt}" if closed.attempt > value["attempt"] else "it"
    return Ending(
        "returned_late",
        f"Late: attempt {value['attempt']} timed out at {value['deadline']}, and {who} came back "
        f"{value['outcome']} {value['late_by_ms'] / 1_000:.3f} s after that.",
    )


def _unanswered(turns: Sequence[Turn], sent: Sent, now_ms: int) -> Ending:
    stands = [turn.after for turn in turns if isinstance(turn.after, Order)][-1]
    until = rfc3339(sent.deadline_ms)
    rest = f"{_attempts(sent)}{_interim(stands)}{_unread_returns(turns)}"
    if stands.state == State.OPEN:
        left_s = (sent.deadline_ms - now_ms) / 1_000
        when = f"in {left_s:.3f} s" if left_s >= 0 else "about now"
        return Ending("open", f"Open: no final return yet; the deadline is {until}, {when}{rest}.")
    within_s = f"{sent.return_within_ms / 1_000:g} s"
    return Ending(
        "timed_out",
        f"Timed out: no final return came by {until}, {within_s} after it was submitted "
        f"(rule {sent.rule}){rest}.",
    )


def _attempts(sent: Sent) -> str:
    return "" if sent.attempt == 1 else f"; that was attempt {sent.attempt}"


def _interim(order: Order) -> str:
    if order.interim is None:
        return ""
    code = f" {order.interim.code}" if order.interim.code else ""
    return f"; the last word of it was {order.interim.outcome}{code}"


def _unread_returns(turns: Sequence[Turn]) -> str:
    unread = _unreadable(turns, Role.RETURNED)
    if not unread:
        return ""
    evidence, said = unread[-1]
    fields = ", ".join(it.field for it in said.problems)
    return f"; a return stands at {evidence.place} that cannot be read ({fields})"


def _unread(turns: Sequence[Turn]) -> Ending:
    for role in (Role.SUBMITTED, Role.RETURNED):
        unread = _unreadable(turns, role)
        if unread:
            evidence, said = unread[-1]
            problem = said.problems[0]
            noun = "submission" if role is Role.SUBMITTED else "return"
            return Ending(
                "set_aside",
                f"Set aside: its {noun} at {evidence.place} cannot be read "
                f"({problem.field} {problem.problem}), so nothing was watched.",
            )
    came = ", ".join(dict.fromkeys(_outcomes(turns)))
    return Ending("interim", f"Never submitted: nothing but {came} came.")


def _outcomes(turns: Sequence[Turn]) -> Iterator[str]:
    for turn in turns:
        if turn.evidence is not None and isinstance(turn.evidence.said, Return):
            yield turn.evidence.said.outcome


def _unreadable(turns: Sequence[Turn], role: Role) -> list[tuple[Evidence, Unreadable]]:
    return [
        (turn.evidence, turn.evidence.said)
        for turn in turns
        if turn.evidence is not None
        and turn.evidence.role is role
        and isinstance(turn.evidence.said, Unreadable)
    ]


def _without_records(others: Sequence[Evidence]) -> Ending:
    letters = [each for each in others if each.role is Role.DEAD_LETTER]
    if letters:
        return Ending(
            "set_aside",
            f"Set aside: only in the dead letters is anything of it, at {letters[-1].place}; no "
            "readable record has its id as key.",
        )
    if others:
        return Ending(
            "told_only",
            "Told of only: there are alerts about it, but its records stand before the time "
            "looked at, or retention has removed them.",
        )
    return Ending("unknown", "Unknown: nothing of this id was found.")


def _without_stop(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")
