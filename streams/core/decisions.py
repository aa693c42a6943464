"""What the tracker decides to tell: the values of the four alerts.

A function of the order, the return that caused it and the place in the log; nothing else goes
into a value, so the same log gives the same bytes.
"""

from dataclasses import dataclass
from typing import Any, Final

from schemas.alerts import Alert, ConflictingReturn, ReturnedLate, TimedOut, UnmatchedReturn
from schemas.alerts import alert_id as id_of
from schemas.deadletters import DeadLetter
from schemas.times import rfc3339
from streams.core.orders import Held, Order, Sent

Decision = Alert | DeadLetter

_OF_RETURN_SEVERITY: Final = "warning"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tracker's records stand: one partition number of the two input topics."""

    submitted_topic: str
    returned_topic: str
    partition: int


def timed_out(place: Place, order_id: str, order: Order) -> Alert:
    """The order's newest attempt has timed out; its timer takes effect at `order.effect_ms`."""
    sent, interim, older, seen = order.sent, order.interim, order.older, order.unreadable
    value: Any = _of_submission(place, order_id, sent, kind="timed_out")
    value["interim"] = interim and {
        "outcome": interim.outcome,
        "code": interim.code,
        "message": interim.message,
        "count": interim.count,
    }
    value["older"] = older and {"attempt": older.attempt, "outcome": older.outcome}
    value["unreadable"] = seen and {
        "count": seen.count,
        "topic": place.returned_topic,
        "partition": place.partition,
        "offset": seen.offset,
        "field": seen.field,
    }
    told: TimedOut = value
    return Alert("timed_out", order_id, order.effect_ms, told, sent.traceparent)


def returned_late(place: Place, order_id: str, answer: Held, *, sent: Sent) -> Alert:
    """A final return settles the time-out of the attempt `sent`, and those before it."""
    value: Any = _of_submission(place, order_id, sent, kind="returned_late")
    value["resolves"] = id_of("timed_out", order_id, _attempt_and_deadline(sent))
    value["outcome"] = answer.outcome
    value["code"] = answer.code
    value["returned_at"] = rfc3339(answer.returned_at)
    value["arrived_at"] = rfc3339(answer.arrival_ms)
    value["late_by_ms"] = answer.arrival_ms - sent.deadline_ms
    told: ReturnedLate = value
    return Alert("returned_late", order_id, answer.arrival_ms, told, sent.traceparent)


def unmatched_return(place: Place, order_id: str, held: Held) -> Alert:
    """`hold` is over and no submission came; it took effect at `held.effect_ms`."""
    value: Any = _of_return(place, order_id, held, kind="unmatched_return")
    value["attempt"] = held.attempt or None
    value |= _answer(held)
    told: UnmatchedReturn = value
    return Alert("unmatched_return", order_id, held.effect_ms, told)


def conflicting_return(
    place: Place, order_id: str, answer: Held, *, first: tuple[int | None, str]
) -> Alert:
    """A final return differs from the first, given as (attempt it answered or None, outcome)."""
    value: Any = _of_return(place, order_id, answer, kind="conflicting_return")
    value["attempt"], value["first_outcome"] = first
    value |= _answer(answer)
    told: ConflictingReturn = value
    return Alert("conflicting_return", order_id, answer.arrival_ms, told)


def _of_submission(place: Place, order_id: str, sent: Sent, *, kind: str) -> dict[str, Any]:
    return {
        "alert_id": id_of(kind, order_id, _attempt_and_deadline(sent)),
        "type": kind,
        "severity": sent.severity,
        "order_id": order_id,
        "attempt": sent.attempt,
        "kind": sent.kind,
        "provider": sent.provider,
        "merchant": sent.merchant,
        "player": sent.player,
        "amount_minor": sent.amount_minor,
        "currency": sent.currency,
        "submitted_at": rfc3339(sent.submitted_at),
        "deadline": rfc3339(sent.deadline_ms),
        "return_within_ms": sent.return_within_ms,
        "rule": sent.rule,
        "source": {
            "topic": place.submitted_topic,
            "partition": place.partition,
            "offset": sent.offset,
        },
    }


def _of_return(place: Place, order_id: str, answer: Held, *, kind: str) -> dict[str, Any]:
    return {
        "alert_id": id_of(kind, order_id, f"{place.partition}:{answer.offset}"),
        "type": kind,
        "severity": _OF_RETURN_SEVERITY,
        "order_id": order_id,
        "attempt": None,
        "kind": None,
        "provider": answer.provider,
        "merchant": None,
        "player": None,
        "amount_minor": answer.amount_minor,
        "currency": answer.currency,
        "submitted_at": None,
        "deadline": None,
        "return_within_ms": None,
        "rule": None,
        "source": {
            "topic": place.returned_topic,
            "partition": place.partition,
            "offset": answer.offset,
        },
    }


def _answer(answer: Held) -> dict[str, Any]:
    return {
        "outcome": answer.outcome,
        "code": answer.code,
        "returned_at": rfc3339(answer.returned_at),
        "arrived_at": rfc3339(answer.arrival_ms),
    }


def _attempt_and_deadline(sent: Sent) -> str:
    return f"{sent.attempt}:{sent.deadline_ms}"
