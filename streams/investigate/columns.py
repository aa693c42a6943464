"""Alerts as rows of a table, for CSV and Parquet: one column for each field, the value beside.

What only some types have is null in the others; `value` is the alert as it stands on the topic,
so that nothing is lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from schemas.alerts import KEYS


@dataclass(frozen=True, slots=True)
class Sheet:
    """The columns of a table, and which of them hold times (RFC 3339) or integers; the rest are
    texts."""

    columns: tuple[str, ...]
    times: tuple[str, ...]
    integers: tuple[str, ...]


PLACE: Final = ("topic", "partition", "offset")
NESTED: Final = ("interim", "older", "unreadable")  # As JSON texts.
_TIMES: Final = ("effect", "submitted_at", "deadline", "returned_at", "arrived_at")
_INTEGERS: Final = (
    *("attempt", "amount_minor", "return_within_ms", "late_by_ms"),
    *("source_partition", "source_offset"),
)


def _names() -> Iterator[str]:
    yield "effect"
    seen: dict[str, None] = dict.fromkeys(name for keys in KEYS.values() for name in keys)
    for name in seen:
        if name == "source":
            yield from (f"source_{part}" for part in PLACE)
        else:
            yield name
    yield "value"


ALERTS: Final = Sheet(tuple(_names()), _TIMES, _INTEGERS)


def row(effect: str, value: bytes) -> dict[str, Any]:
    """Of an alert that took effect then, an RFC 3339 text; absent fields are left out."""
    fields: dict[str, Any] = orjson.loads(value)
    source = fields.pop("source")
    for part in PLACE:
        fields[f"source_{part}"] = source[part]
    for name in NESTED:
        if fields.get(name) is not None:
            fields[name] = orjson.dumps(fields[name]).decode()
    return {"effect": effect, **fields, "value": value.decode()}
