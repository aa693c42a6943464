"""JSON text to objects and back; says in a sentence why a value is not a JSON object.

The codec's slower half: the fast path reads bytes with a validator and comes here on a refusal.
Both use the same parser, so a record cannot be good in one and bad in the other.
"""

import json
import re
from typing import Any, Final

import orjson
from pydantic_core import from_json

NESTING_MAX: Final = 200  # levels; also the limit inside pydantic-core's parser
_POSITION: Final = re.compile(r"line [0-9]+ column [0-9]+")


class NotAnObject(ValueError):
    """The value is no JSON object; the text says why, and repeats nothing of the value."""


def load_object(value: bytes | None) -> dict[str, Any]:
    """The JSON object in the value; NotAnObject for anything else."""
    if value is None:
        raise NotAnObject("is null (a tombstone)")
    if not value:
        raise NotAnObject("is empty")
    document = _load(value)
    if not isinstance(document, dict):
        raise NotAnObject("is JSON but not an object")
    return document


def dump(document: object) -> bytes:
    """JSON in UTF-8, no white space, non-ASCII unescaped, keys in the order given."""
    return orjson.dumps(document)


def _load(value: bytes) -> object:
    try:
        return from_json(value)
    except ValueError as error:
        if _may_hold_a_lone_surrogate(value):
            return _load_with_surrogates(value)
        raise NotAnObject(_reason(value, error)) from error


def _may_hold_a_lone_surrogate(value: bytes) -> bool:
    # The brackets bound the nesting, so that the parser below cannot run out of stack: whether a
    # record is readable must not hang on how deep the caller stands.
    nesting_bound = value.count(b"[") + value.count(b"{")
    return b"\\ud" in value.lower() and nesting_bound <= NESTING_MAX


def _load_with_surrogates(value: bytes) -> object:
    # Half an emoji, left by a sender that cut a text at a number of UTF-16 units, is refused by the
    # fast parser as bad JSON. Read it here, so that only the field that holds it is wrong.
    try:
        return json.loads(value.decode())
    except ValueError as error:
        raise NotAnObject(_reason(value, error)) from error


def _reason(value: bytes, error: ValueError) -> str:
    if value.startswith(b"\xef\xbb\xbf"):
        return "is not JSON: it begins with a byte order mark"
    try:
        value.decode()
    except UnicodeDecodeError as undecodable:
        return f"is not UTF-8 at byte {undecodable.start}"
    if "recursion limit" in str(error):
        return f"is nested deeper than {NESTING_MAX} levels"
    position = _POSITION.search(str(error))
    return f"is not JSON ({position.group()})" if position else "is not JSON"
