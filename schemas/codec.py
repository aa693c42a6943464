"""Bytes to events and alerts to bytes: the wire contract in one place.

`read_submission` and `read_return` are the hot path. A record that the validator takes costs one
call into pydantic-core and three comparisons; only a refused one, or a CloudEvent in structured
mode, is read a second time, slowly, for its problems or for what can be saved of it.
`python -m tests.unit.schemas.measure` prints what that costs.
"""

from collections.abc import Callable
from typing import Any, Final, cast

from pydantic import ValidationError

from schemas.alerts import alert_headers, encode_alert, read_alert
from schemas.cloudevents import Envelope, envelope, event_traceparent, structured_data
from schemas.deadletters import dead_letter_headers
from schemas.events import Return, Submission
from schemas.jsontext import NotAnObject, load_object
from schemas.mistakes import PAIR, RETURN, SUBMISSION, mistakes, value_mistakes
from schemas.records import Record, Unreadable
from schemas.times import DAY_MS

__all__ = [
    "alert_headers",
    "dead_letter_headers",
    "encode_alert",
    "read_alert",
    "read_return",
    "read_submission",
]

# A slip in one of these must not turn an answered order into a time-out: it counts as absent.
LENIENT: Final = ("code", "message", "provider", "amount_minor", "currency")

_PLAIN: Final = Envelope(structured=False, traceparent=None)

# The validators are untyped; these names say what they return. They raise ValidationError only.
_submission_of = cast(
    Callable[[bytes | None], Submission], SUBMISSION.adapter.validator.validate_json
)
_return_of = cast(Callable[[bytes | None], Return], RETURN.adapter.validator.validate_json)


def read_submission(record: Record) -> Submission | Unreadable:
    """The submission in a record of `order-submitted`; with any wrong field it is unreadable."""
    _, timestamp_ms, key, value, headers = record
    around = envelope(headers) if headers else _PLAIN
    if around.structured:
        return _reread_submission(record, around)
    try:
        submission = _submission_of(value)
    except ValidationError:
        return _reread_submission(record, around)
    if (
        submission["order_id"].encode() != key
        or submission["submitted_at"] > timestamp_ms + DAY_MS
        or (submission.get("amount_minor") is None) != (submission.get("currency") is None)
    ):
        return _reread_submission(record, around)
    if around.traceparent is not None:
        submission["traceparent"] = around.traceparent
    return submission


def read_return(record: Record) -> Return | Unreadable:
    """The return in a record of `order-returned`; unreadable only where what it answers is."""
    _, timestamp_ms, key, value, headers = record
    if headers and envelope(headers).structured:
        return _reread_return(record, structured=True)
    try:
        returned = _return_of(value)
    except ValidationError:
        return _reread_return(record, structured=False)
    if (
        returned["order_id"].encode() != key
        or returned["returned_at"] > timestamp_ms + DAY_MS
        or (returned.get("amount_minor") is None) != (returned.get("currency") is None)
    ):
        return _reread_return(record, structured=False)
    return returned


def _reread_submission(record: Record, around: Envelope) -> Submission | Unreadable:
    try:
        document = load_object(record.value)
        fields = structured_data(document) if around.structured else document
    except NotAnObject as error:
        return Unreadable(record, value_mistakes(record, SUBMISSION, str(error)))
    problems = mistakes(record, SUBMISSION, fields)
    if problems:
        return Unreadable(record, problems)
    submission: Submission = SUBMISSION.adapter.validator.validate_python(fields)
    traceparent = around.traceparent
    if around.structured and traceparent is None:
        traceparent = event_traceparent(document)
    if traceparent is not None:
        submission["traceparent"] = traceparent
    return submission


def _reread_return(record: Record, *, structured: bool) -> Return | Unreadable:
    try:
        document = load_object(record.value)
        fields = structured_data(document) if structured else document
    except NotAnObject as error:
        return Unreadable(record, value_mistakes(record, RETURN, str(error)))
    problems = mistakes(record, RETURN, fields)
    wrong = {problem.field for problem in problems}
    if wrong.difference(LENIENT):
        return Unreadable(record, problems)
    return _return_without(wrong | PAIR if wrong & PAIR else wrong, fields)


def _return_without(dropped: set[str], fields: dict[str, Any]) -> Return:
    kept = {name: value for name, value in fields.items() if name not in dropped}
    returned: Return = RETURN.adapter.validator.validate_python(kept)
    slips = tuple(name for name in LENIENT if name in dropped and fields.get(name) is not None)
    if slips:
        returned["slips"] = slips
    return returned
