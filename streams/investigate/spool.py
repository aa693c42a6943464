"""Alerts on their way to an output: a temporary file of rows for each partition number.

What is told of a long stretch is never in memory as a whole; the files of all partitions are
merged by time.
"""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Self

from schemas.alerts import Alert, encode_alert

BUFFER_BYTES: Final = 256 * 1024

Money = Counter[tuple[str, str]]  # Minor units by (type, currency).


class Row(NamedTuple):
    """An alert of a replay; `effect_ms` is its `ce_time`."""

    effect_ms: int
    partition: int
    value: bytes
    traceparent: str | None


@dataclass(slots=True)
class Tally:
    """What was told of a partition number, and up to when."""

    partition: int
    alerts: Counter[str] = field(default_factory=Counter)  # By type.
    money: Money = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)  # What the tracker counted.
    records: int = 0
    dead_letters: int = 0
    frontier_ms: int = -1


class Spool:
    """The alerts of one partition number, written as they are told; a context manager."""

    def __init__(self, path: Path, partition: int) -> None:
        self.tally = Tally(partition)
        self._path = path

    def __enter__(self) -> Self:
        self._file = self._path.open("wb", buffering=BUFFER_BYTES)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def tell(self, alerts: list[Alert]) -> None:
        """Write the next alerts."""
        tally = self.tally
        for alert in alerts:
            value = alert.value
            tally.alerts[alert.type] += 1
            if value["currency"] is not None:
                tally.money[alert.type, value["currency"]] += value["amount_minor"] or 0
            trace = (alert.traceparent or "").encode()
            # JSON has neither a tab nor a line end in it that is not escaped.
            self._file.write(b"%d\t%b\t%b\n" % (alert.effect_ms, trace, encode_alert(alert)))


def rows_of(path: Path, partition: int) -> Iterator[Row]:
    """The rows of one file again."""
    with path.open("rb", buffering=BUFFER_BYTES) as file:
        for line in file:
            effect_ms, trace, value = line[:-1].split(b"\t", 2)
            yield Row(int(effect_ms), partition, value, trace.decode() or None)


def merged(files: dict[int, Path]) -> Iterator[Row]:
    """The rows of the files of all partition numbers, by time, then by partition number."""
    rows = [rows_of(path, partition) for partition, path in sorted(files.items())]
    return heapq.merge(*rows, key=lambda row: (row.effect_ms, row.partition))
