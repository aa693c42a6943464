"""The input topics of one scenario as the auditor reads them: committed records only."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from schemas.records import Record, Unreadable
from tests.broker.records import StoredRecord, read_all
from tests.broker.topics import Names
from tests.events import read_return, read_submission
from tests.faults.verdicts import Due, Line, Terms, due_alerts
from tests.faults.wording import Place

READERS: Final[tuple[Callable[[Record], Any], ...]] = (read_submission, read_return)


@dataclass(frozen=True)
class InputLog:
    """Both topics, side by side: `lines[partition]`, and the unreadable records as stored."""

    lines: dict[int, list[Line]]
    letters: dict[tuple[str, int, int], StoredRecord]  # By topic, partition, offset.
    places: dict[int, Place]
    terms: Terms

    @property
    def records(self) -> int:
        return sum(map(len, self.lines.values()))

    @property
    def orders(self) -> int:
        keys = {line.key for lines in self.lines.values() for line in lines if line.side == 0}
        return len(keys)

    @cached_property
    def due(self) -> list[Due]:
        """What has to be told when every timer is over."""
        return [
            due
            for partition, lines in self.lines.items()
            for due in due_alerts(lines, self.places[partition], self.terms)
        ]

    def allowed_ms(self, partition: int, effect_ms: int) -> int:
        """When the log, or else the grace, allowed a verdict that took effect then."""
        by_log_ms = max(self._after(partition, side, effect_ms) for side in (0, 1))
        return min(effect_ms + self.terms.grace_ms, by_log_ms)

    def ends(self) -> dict[tuple[int, int], int]:
        """The offset after the last record of each partition number and side."""
        return {
            (partition, line.side): line.offset + 1
            for partition, lines in self.lines.items()
            for line in lines
        }

    @cached_property
    def _arrivals(self) -> dict[tuple[int, int], list[int]]:
        return {
            (partition, side): [line.arrival_ms for line in lines if line.side == side]
            for partition, lines in self.lines.items()
            for side in (0, 1)
        }

    def _after(self, partition: int, side: int, effect_ms: int) -> int:
        arrivals = self._arrivals[partition, side]
        at = bisect_right(arrivals, effect_ms)
        return arrivals[at] if at < len(arrivals) else 10**15


def read_inputs(bootstrap: str, names: Names, *, partitions: int, terms: Terms) -> InputLog:
    """Every committed record of both topics."""
    lines: dict[int, list[Line]] = {partition: [] for partition in range(partitions)}
    letters = {}
    for side, topic in enumerate((names.submitted, names.returned)):
        arrivals = dict.fromkeys(range(partitions), -1)
        for record in read_all(bootstrap, topic):
            assert record.log_append_time, f"{topic} has the producers' clocks"
            partition = record.partition
            arrivals[partition] = max(arrivals[partition], record.timestamp_ms)
            event = READERS[side](as_read(record))
            lines[partition].append(
                Line(arrivals[partition], side, record.offset, record.key, event)
            )
            if isinstance(event, Unreadable):
                letters[topic, partition, record.offset] = record
    places = {partition: Place(names.submitted, names.returned, partition) for partition in lines}
    return InputLog(lines, letters, places, terms)


def as_read(record: StoredRecord) -> Record:
    """The record as the codec takes it."""
    return Record(record.offset, record.timestamp_ms, record.key, record.value, record.headers)
