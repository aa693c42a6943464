"""CloudEvents 1.0 over Kafka: what the headers of a record say, and the data of an event.

Sources: the CloudEvents Kafka protocol binding (content modes, `ce_` headers) and W3C Trace
Context (`traceparent`). Knows nothing of orders.
"""

import base64
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from schemas.jsontext import NotAnObject, load_object

STRUCTURED_TYPE: Final = b"application/cloudevents+json"
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


class Envelope(NamedTuple):
    """What the headers say about the value; not structured means the value is the data."""

    structured: bool
    traceparent: str | None


def envelope(headers: Iterable[tuple[str, bytes | None]]) -> Envelope:
    """Read the headers that matter; of two with the same name the last counts, as in Kafka."""
    structured, traceparent, ce_traceparent = False, None, None
    for name, value in headers:
        match name.lower():
            case "traceparent":
                traceparent = valid_traceparent(value)
            case "content-type":
                structured = _media_type(value) == STRUCTURED_TYPE
            case "ce_traceparent":
                ce_traceparent = valid_traceparent(value)
    return Envelope(structured, traceparent or ce_traceparent)


def valid_traceparent(value: bytes | None) -> str | None:
    """The text of a W3C traceparent, None for anything else."""
    return value.decode() if value and _TRACEPARENT.fullmatch(value) else None


def event_traceparent(event: dict[str, Any]) -> str | None:
    """The traceparent an event in structured mode carries as an extension attribute."""
    text = event.get("traceparent")
    return valid_traceparent(text.encode("ascii", "replace")) if isinstance(text, str) else None


def structured_data(event: dict[str, Any]) -> dict[str, Any]:
    """The JSON object an event in structured mode carries; NotAnObject if it carries none."""
    data, encoded = event.get("data"), event.get("data_base64")
    if isinstance(data, dict):
        return data
    if data is not None:
        raise NotAnObject("is a CloudEvent whose data is not a JSON object")
    if not isinstance(encoded, str):
        raise NotAnObject("is a CloudEvent without data")
    return load_object(_decoded(encoded))


def _media_type(value: bytes | None) -> bytes:
    return (value or b"").partition(b";")[0].strip().lower()


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise NotAnObject("is a CloudEvent whose data_base64 is not base64") from error
