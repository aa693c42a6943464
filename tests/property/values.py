"""The values of the four alerts, made by hand for the naive model; also where records stand."""

from dataclasses import dataclass
from typing import Any, Final

from schemas.alerts import alert_id
from schemas.records import RETURNED, SUBMITTED
from schemas.times import rfc3339
from streams.core.rules import Rule

TOPICS: Final = ("order-submitted", "order-returned")
PARTITION: Final = 3

Fields = dict[str, Any]


@dataclass(frozen=True)
class Arrived:
    """A record at its place in the sequence."""

    arrival_ms: int
    side: int
    offset: int
    event: Any


@dataclass
class Attempt:
    """An attempt that was opened."""

    number: int
    submission: Fields
    offset: int
    rule: Rule
    return_within_ms: int

    @property
    def deadline_ms(self) -> int:
        return int(self.submission["submitted_at"]) + self.return_within_ms


def returned_late(late: Attempt, entry: Arrived) -> Fields:
    """The value, with the submission's fields of the newest attempt that timed out."""
    value = of_submission("returned_late", late)
    value["resolves"] = of_submission("timed_out", late)["alert_id"]
    return value | answer_of(entry) | {"late_by_ms": entry.arrival_ms - late.deadline_ms}


def of_submission(kind: str, attempt: Attempt) -> Fields:
    """What both alerts about a submission say, in the contract's order."""
    sent = attempt.submission
    x = f"{attempt.number}:{attempt.deadline_ms}"
    names = ("kind", "provider", "merchant", "player", "amount_minor", "currency")
    return {
        "alert_id": alert_id(kind, sent["order_id"], x),
        "type": kind,
        "severity": attempt.rule.severity,
        "order_id": sent["order_id"],
        "attempt": attempt.number,
        **{name: sent.get(name) for name in names},
        "submitted_at": rfc3339(sent["submitted_at"]),
        "deadline": rfc3339(attempt.deadline_ms),
        "return_within_ms": attempt.return_within_ms,
        "rule": attempt.rule.name,
        "source": source(SUBMITTED, attempt.offset),
    }


def of_return(kind: str, entry: Arrived) -> Fields:
    """What both alerts about a return say; all that only a submission knows is null."""
    back = entry.event
    nothing = dict.fromkeys(("submitted_at", "deadline", "return_within_ms", "rule"))
    return {
        "alert_id": alert_id(kind, back["order_id"], f"{PARTITION}:{entry.offset}"),
        "type": kind,
        "severity": "warning",
        "order_id": back["order_id"],
        "attempt": None,
        "kind": None,
        "provider": back.get("provider"),
        "merchant": None,
        "player": None,
        "amount_minor": back.get("amount_minor"),
        "currency": back.get("currency"),
        **nothing,
        "source": source(RETURNED, entry.offset),
    }


def answer_of(entry: Arrived) -> Fields:
    """The fields of the return itself."""
    return {
        "outcome": entry.event["outcome"],
        "code": entry.event.get("code"),
        "returned_at": rfc3339(entry.event["returned_at"]),
        "arrived_at": rfc3339(entry.arrival_ms),
    }


def source(side: int, offset: int) -> Fields:
    """Where a record stands."""
    return {"topic": TOPICS[side], "partition": PARTITION, "offset": offset}
