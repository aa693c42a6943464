"""Bytes to events and alerts to bytes: the wire contract in one place.

`read_submission` and `read_return` are the hot path. A plain record costs one call into msgspec and
three comparisons. What msgspec does not take is pydantic's to read, which is the authority for what
is right; only what that refuses, or a CloudEvent in structured mode, is read once more, slowly, for
its problems or for what can be saved of it.
`python -m tests.unit.schemas.measure` prints what that costs.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, cast

import msgspec
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
    "read_returns",
    "read_submission",
    "read_submissions",
]

# A slip in one of these must not turn an answered order into a time-out: it counts as absent.
LENIENT: Final = ("code", "message", "provider", "amount_minor", "currency")

Event = Submission | Return | Unreadable

_PLAIN: Final = Envelope(structured=False, traceparent=None)

# JSON so short cannot be nested deeper than pydantic reads it, so that both take the same.
PLAIN_BYTES_MAX: Final = 400

decode_submission = msgspec.json.Decoder(Submission).decode
decode_return = msgspec.json.Decoder(Return).decode
REFUSED: Final = (msgspec.DecodeError, UnicodeDecodeError)
CURRENCIES: Final[set[str | None]] = {None}  # Seen and right: at most 26^3.

# The validators are untyped; these names say what they return. They raise ValidationError only.
_submission_of = cast(
    Callable[[bytes | None], dict[str, Any]], SUBMISSION.adapter.validator.validate_json
)
_return_of = cast(Callable[[bytes | None], dict[str, Any]], RETURN.adapter.validator.validate_json)


def read_submission(record: Record) -> Submission | Unreadable:
    """The submission in a record of `order-submitted`; with any wrong field it is unreadable."""
    key, value, headers = record.key, record.value, record.headers
    around = envelope(headers) if headers else _PLAIN
    if around.structured:
        return _reread_submission(record, around)
    submission = quick_submission(value)
    if submission is None:
        try:
            submission = Submission(**_submission_of(value))
        except ValidationError:
            return _reread_submission(record, around)
        _note_currency(submission.currency)
    if (
        submission.order_id.encode() != key
        or submission.submitted_at > record.timestamp_ms + DAY_MS
        or (submission.amount_minor is None) != (submission.currency is None)
    ):
        return _reread_submission(record, around)
    submission.traceparent = around.traceparent  # Whatever the value says of it.
    return submission


def read_return(record: Record) -> Return | Unreadable:
    """The return in a record of `order-returned`; unreadable only where what it answers is."""
    key, value, headers = record.key, record.value, record.headers
    if headers and envelope(headers).structured:
        return _reread_return(record, structured=True)
    returned = quick_return(value)
    if returned is None:
        try:
            returned = Return(**_return_of(value))
        except ValidationError:
            return _reread_return(record, structured=False)
        _note_currency(returned.currency)
    if (
        returned.order_id.encode() != key
        or returned.returned_at > record.timestamp_ms + DAY_MS
        or (returned.amount_minor is None) != (returned.currency is None)
    ):
        return _reread_return(record, structured=False)
    return returned


def read_submissions(records: Iterable[Record]) -> list[Event]:
    """`read_submission` of each; plain records, which nearly all are, without a call for each."""
    events: list[Event] = []
    for record in records:
        value = record.value
        if value is not None and len(value) <= PLAIN_BYTES_MAX and not record.headers:
            try:
                event = decode_submission(value)
            except REFUSED:
                pass
            else:
                if (
                    value.isascii()
                    and event.order_id.encode() == record.key
                    and event.submitted_at <= record.timestamp_ms + DAY_MS
                    and event.currency in CURRENCIES
                    and (event.amount_minor is None) == (event.currency is None)
                    and event.traceparent is None
                ):
                    events.append(event)
                    continue
        events.append(read_submission(record))
    return events


def read_returns(records: Iterable[Record]) -> list[Event]:
    """The same for returns; written out, because a call for each record is what this saves."""
    events: list[Event] = []
    for record in records:
        value = record.value
        if value is not None and len(value) <= PLAIN_BYTES_MAX and not record.headers:
            try:
                event = decode_return(value)
            except REFUSED:
                pass
            else:
                if (
                    value.isascii()
                    and event.order_id.encode() == record.key
                    and event.returned_at <= record.timestamp_ms + DAY_MS
                    and event.currency in CURRENCIES
                    and (event.amount_minor is None) == (event.currency is None)
                    and not event.slips
                ):
                    events.append(event)
                    continue
        events.append(read_return(record))
    return events


def quick_submission(value: bytes | None) -> Submission | None:
    """What pydantic reads too, in a third of its time; None says nothing: pydantic decides."""
    if value is None or len(value) > PLAIN_BYTES_MAX or not (value.isascii() or _is_utf8(value)):
        return None
    try:
        submission = decode_submission(value)
    except REFUSED:
        return None
    return submission if submission.currency in CURRENCIES else None


def quick_return(value: bytes | None) -> Return | None:
    """The same for a return."""
    if value is None or len(value) > PLAIN_BYTES_MAX or not (value.isascii() or _is_utf8(value)):
        return None
    try:
        returned = decode_return(value)
    except REFUSED:
        return None
    if returned.slips:  # A field of the value that is called so: not ours.
        return None
    return returned if returned.currency in CURRENCIES else None


def _note_currency(currency: str | None) -> None:
    if currency is not None:
        CURRENCIES.add(currency)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _reread_submission(record: Record, around: Envelope) -> Submission | Unreadable:
    try:
        document = load_object(record.value)
        fields = structured_data(document) if around.structured else document
    except NotAnObject as error:
        return Unreadable(record, value_mistakes(record, SUBMISSION, str(error)))
    problems = mistakes(record, SUBMISSION, fields)
    if problems:
        return Unreadable(record, problems)
    submission = Submission(**SUBMISSION.adapter.validator.validate_python(fields))
    submission.traceparent = around.traceparent
    if around.structured and around.traceparent is None:
        submission.traceparent = event_traceparent(document)
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
    returned = Return(**RETURN.adapter.validator.validate_python(kept))
    returned.slips = tuple(
        name for name in LENIENT if name in dropped and fields.get(name) is not None
    )
    return returned
