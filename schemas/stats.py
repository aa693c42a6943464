"""What a worker counts, as it stands on `order-stats`: seconds of counts, and heartbeats.

JSON, integers only; a count that is 0 and a list that is empty are left out. A second is one of
arrival time, told once by each partition number, and a function of the log alone: the same rows
whatever the batches, crashes and restarts. How rows are grouped into records is not. A heartbeat
belongs to the run, and says how far the worker can see.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct, field

SCOPES_A_SECOND_MAX: Final = 1_000  # Rows of one partition and second; the rest in one, `other`.
CODES_MAX: Final = 16  # Of one row; the rest under OTHER. The same for kinds of dead letters.
SAMPLES_MAX: Final = 5  # Order ids in a row.
OTHER: Final = "(other)"
HEARTBEAT_S: Final = 5


class Money(Struct, omit_defaults=True, gc=False):
    """Of one currency, in its smallest unit. Open and overdue are sums at the end of the second:
    of orders that wait, and of those that timed out and had no answer since (as long as they are
    remembered). The other two are of the orders that timed out, and came back, in it."""

    currency: str
    open_minor: int = 0
    overdue_minor: int = 0
    timed_out_minor: int = 0
    returned_late_minor: int = 0


class DeadLetters(Struct, frozen=True, gc=False):
    """Records that could not be read, by side (0 submitted, 1 returned) and first problem."""

    side: int
    field: str
    problem: str
    count: int


class StatsRow(Struct, omit_defaults=True, gc=False):
    """The counts of one scope in one second; null is a field that its orders do not have.

    `accepted`, `rejected`, `cancelled`: final returns that answered an open order in time;
    `pending`, `error`: interim ones. `held`: final returns to an order that is not known (yet);
    `unmatched`: those that waited in vain. Of these, and of returns that could not be read and
    whose order is not known, merchant and kind are unknown and null. `delays`: bucket (see
    `delay_bucket`) to returns. `open_orders`, `overdue_orders`: at the end of the second."""

    provider: str | None = None
    merchant: str | None = None
    kind: str | None = None
    other: bool = False
    submitted: int = 0
    accepted: int = 0
    rejected: int = 0
    cancelled: int = 0
    pending: int = 0
    error: int = 0
    timed_out: int = 0
    returned_late: int = 0
    held: int = 0
    unmatched: int = 0
    conflicting: int = 0
    open_orders: int = 0
    overdue_orders: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    delays: dict[int, int] = field(default_factory=dict)
    # What few rows have are tuples, which need no room of their own where they are empty.
    dead_letters: tuple[DeadLetters, ...] = ()
    money: list[Money] = field(default_factory=list)
    timed_out_ids: tuple[str, ...] = ()
    unmatched_ids: tuple[str, ...] = ()

    @property
    def scope(self) -> tuple[str | None, str | None, str | None]:
        """(provider, merchant, kind)."""
        return self.provider, self.merchant, self.kind

    @property
    def answered(self) -> int:
        """Final returns in time."""
        return self.accepted + self.rejected + self.cancelled


class StatsSecond(Struct, gc=False):
    """One second of arrival time, as seconds since 1970, with a row for each scope with counts."""

    second_s: int
    rows: list[StatsRow]


class Stats(Struct, tag_field="type", tag="stats"):
    """Seconds of one partition number. `complete_s`: of every second before it, all rows stand in
    this record or an earlier one."""

    partition: int
    complete_s: int
    seconds: list[StatsSecond] = field(default_factory=list)


SecondJson = Raw  # A `StatsSecond` in its JSON.


class StatsJson(Struct, tag_field="type", tag="stats"):
    """The same with each second as its JSON."""

    partition: int
    complete_s: int
    seconds: list[SecondJson] = field(default_factory=list)


class Heartbeat(Struct, tag_field="type", tag="heartbeat"):
    """Each 5 s by every partition number, sent after its rows. All orders due before
    `frontier_ms` are decided; `complete_s` as in Stats; `partitions`: how many partition numbers
    there are; `sent_at_ms`: the worker's wall clock; `held`: it decides nothing for now."""

    partition: int
    partitions: int
    frontier_ms: int
    complete_s: int
    sent_at_ms: int
    held: bool = False


StatsRecord = Stats | Heartbeat

_decode = msgspec.json.Decoder(StatsRecord).decode
_encode = msgspec.json.Encoder().encode


def encode_stats(record: StatsRecord | StatsJson) -> bytes:
    """The value of a record on `order-stats`; its key is the partition number as text."""
    return _encode(record)


def encode_row(row: StatsRow) -> bytes:
    """A row as it stands in the JSON of its second."""
    return _encode(row)


def encode_codes(codes: dict[str, int]) -> bytes:
    """Codes as they stand in a row."""
    return _encode(codes)


def encode_money(money: Money) -> bytes:
    """Money as it stands in a row."""
    return _encode(money)


def encode_second(second: StatsSecond) -> SecondJson:
    """What `StatsJson` holds of a second."""
    return SecondJson(_encode(second))


def read_stats(value: bytes) -> StatsRecord:
    """The record again; ValueError if it is none."""
    try:
        record: StatsRecord = _decode(value)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a record of order-stats: {error}") from error
    return record


def delay_bucket(delay_ms: int) -> int:
    """Four buckets an octave: 0 holds what took no time, and the others are 25 % wide or less."""
    if delay_ms < 8:
        return max(delay_ms, 0)
    octave = delay_ms.bit_length() - 3
    return octave * 4 + (delay_ms >> octave)


def delay_of(bucket: int) -> int:
    """The shortest delay that falls into a bucket, ms."""
    if bucket < 8:
        return bucket
    octave = bucket // 4 - 1
    return (bucket - octave * 4) << octave
