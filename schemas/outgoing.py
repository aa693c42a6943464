"""A value on its way to a topic: the key and the headers that its record needs.

Looks into JSON no further than that; whether the value is right is the codec's to say.
"""

from typing import Any, Final, NamedTuple

from schemas.cloudevents import STRUCTURED_TYPE, structured_data
from schemas.jsontext import NotAnObject, load_object

_STRUCTURED: Final = (("content-type", STRUCTURED_TYPE),)


class Outgoing(NamedTuple):
    """The key is None where the value has no order_id."""

    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def outgoing(value: bytes) -> Outgoing:
    """Keyed with the order_id; a CloudEvent in structured mode with that of its data."""
    try:
        document = load_object(value)
    except NotAnObject:
        return Outgoing(None, value, ())
    if "order_id" in document or not isinstance(document.get("specversion"), str):
        return Outgoing(_key_of(document), value, ())
    try:
        key = _key_of(structured_data(document))
    except NotAnObject:
        key = None
    return Outgoing(key, value, _STRUCTURED)


def _key_of(fields: dict[str, Any]) -> bytes | None:
    order_id = fields.get("order_id")
    try:
        return order_id.encode() if isinstance(order_id, str) else None
    except UnicodeEncodeError:  # Half an emoji.
        return None
