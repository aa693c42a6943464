"""The codec's events as plain dicts of the fields that a record gave, to be compared."""

from typing import Any

from msgspec.structs import asdict

from schemas import codec
from schemas.events import Return, Submission
from schemas.records import Record, Unreadable


def fields_of(event: Submission | Return) -> dict[str, Any]:
    """Without what is absent; `slips` only where there are any."""
    return {name: value for name, value in asdict(event).items() if value not in (None, ())}


def read_submission(record: Record) -> dict[str, Any] | Unreadable:
    """As the codec does, as a dict."""
    event = codec.read_submission(record)
    return event if isinstance(event, Unreadable) else fields_of(event)


def read_return(record: Record) -> dict[str, Any] | Unreadable:
    """As the codec does, as a dict."""
    event = codec.read_return(record)
    return event if isinstance(event, Unreadable) else fields_of(event)
