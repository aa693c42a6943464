"""The values of alerts as the auditor words them: design section 5, read a second time."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from schemas.events import ReturnJson, SubmissionJson


class Place(NamedTuple):
    """Where the records stand."""

    submitted: str
    returned: str
    partition: int


@dataclass(frozen=True, slots=True)
class Wording:
    """Words alerts about one order; `return_within_ms` is for orders that say none."""

    order_id: str
    place: Place
    return_within_ms: int

    def deadline(self, event: SubmissionJson) -> int:
        """In ms."""
        return event["submitted_at"] + self._within(event)

    def resolved(self, event: SubmissionJson) -> str:
        """The id of the time-out of an attempt."""
        return self._id("timed_out", self._attempt_and_deadline(event))

    def of_submission(self, kind: str, sent: tuple[SubmissionJson, int]) -> dict[str, Any]:
        """The fields of an alert about a submission, which stands at an offset."""
        event, offset = sent
        return {
            "alert_id": self._id(kind, self._attempt_and_deadline(event)),
            "type": kind,
            "severity": "critical",
            "order_id": self.order_id,
            "attempt": event.get("attempt") or 1,
            **{name: event.get(name) for name in ("kind", "provider", "merchant", "player")},
            **{name: event.get(name) for name in ("amount_minor", "currency")},
            "submitted_at": moment(event["submitted_at"]),
            "deadline": moment(self.deadline(event)),
            "return_within_ms": self._within(event),
            "rule": "default",
            "source": self._source(self.place.submitted, offset),
        }

    def of_return(self, kind: str, event: ReturnJson, offset: int) -> dict[str, Any]:
        """The fields of an alert that knows no submission."""
        return {
            "alert_id": self._id(kind, f"{self.place.partition}:{offset}"),
            "type": kind,
            "severity": "warning",
            "order_id": self.order_id,
            "attempt": None,
            "kind": None,
            "provider": event.get("provider"),
            "merchant": None,
            "player": None,
            "amount_minor": event.get("amount_minor"),
            "currency": event.get("currency"),
            **dict.fromkeys(("submitted_at", "deadline", "return_within_ms", "rule")),
            "source": self._source(self.place.returned, offset),
        }

    def _within(self, event: SubmissionJson) -> int:
        return event.get("return_within_ms") or self.return_within_ms

    def _attempt_and_deadline(self, event: SubmissionJson) -> str:
        return f"{event.get('attempt') or 1}:{self.deadline(event)}"

    def _id(self, kind: str, x: str) -> str:
        return str(uuid5(NAMESPACE_URL, f"returnwatch:{kind}:{self.order_id}:{x}"))

    def _source(self, topic: str, offset: int) -> dict[str, Any]:
        return {"topic": topic, "partition": self.place.partition, "offset": offset}


def answer(event: ReturnJson, arrival_ms: int) -> dict[str, Any]:
    """What every alert about a return says of it."""
    return {
        "outcome": event["outcome"],
        "code": event.get("code"),
        "returned_at": moment(event["returned_at"]),
        "arrived_at": moment(arrival_ms),
    }


def moment(time_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def encoded(value: dict[str, Any]) -> bytes:
    """The bytes of a value: no white space, non-ASCII as it is, keys as they stand."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
