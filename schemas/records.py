"""A record as it stands in a topic partition, and what may be wrong with it.

Owns the values that pass between transport, codec and core. Knows no JSON and no Kafka client.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from msgspec import Struct

# The two sides of an order; the numbers are also the order of records with equal arrival.
SUBMITTED: Final = 0
RETURNED: Final = 1


class Record(Struct, frozen=True, gc=False):
    """One record; `timestamp_ms` is Kafka's own, not the payload's.

    A Struct, because one is made for each record read: 0.23 us, of a named tuple 0.46.
    """

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Problem(NamedTuple):
    """One wrong field: its name (or `key`, `value`), what is wrong, an example of a right value."""

    field: str
    problem: str
    hint: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that cannot be read, with at least one problem, the most basic first."""

    record: Record
    problems: tuple[Problem, ...]
