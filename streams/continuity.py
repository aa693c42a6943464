"""Whether a log goes on where the state left it, and what is to be done where it does not.

Owns every reason to refuse a log: another topic under the same name, records lost at its end, a
stretch that retention removed unread. The last one may be accepted; then it says what verdicts
are no longer possible.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog
from aiokafka import TopicPartition

from schemas.records import SUBMITTED, Record
from schemas.times import rfc3339
from streams.state.header import Header, Progress, StateError, check_same_topic, fingerprint

ORDERS_LISTED: Final = 100  # In one line of the log.

log = structlog.get_logger(__name__)

RecordFrom = Callable[[TopicPartition, int], Awaitable[Record | None]]


@dataclass(frozen=True, slots=True)
class Log:
    """An input as it is now: [start, end) of its offsets, and the id of its topic if known."""

    tp: TopicPartition
    start: int
    end: int
    topic_id: str | None

    def __str__(self) -> str:
        return f"{self.tp.topic} partition {self.tp.partition}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets of an input that retention removed before they were read."""

    log: Log
    from_offset: int
    after_ms: int  # Arrival of the last record that was read before.
    until_ms: int  # Every lost record arrived before then.

    def __str__(self) -> str:
        return f"{self.log} has lost {_stretch(self.log, self.from_offset, self.after_ms)}"


def announce(gaps: list[Gap], order_ids: list[str]) -> None:
    """Every order whose time-out will not be told is named, once."""
    partition = gaps[0].log.tp.partition
    for gap in gaps:
        log.warning("going on over a gap in the log", gap=str(gap))
    log.warning("open orders are withheld", partition=partition, orders=len(order_ids))
    for at in range(0, len(order_ids), ORDERS_LISTED):
        listed = order_ids[at : at + ORDERS_LISTED]
        log.warning("withheld from timed_out", partition=partition, order_ids=listed)


@dataclass(frozen=True, slots=True)
class Continuity:
    """How a log is looked at; `record_from` gives the first record at or after an offset."""

    record_from: RecordFrom
    now_ms: Callable[[], int]
    is_gap_accepted: bool

    async def check(self, header: Header, logs: tuple[Log, Log]) -> tuple[Header, list[Gap]]:
        """The header to go on with, and the gaps that it goes on over; StateError where the log is
        not the one the state came from, or has a gap that nobody accepted."""
        gaps: list[Gap] = []
        progresses = []
        for log, progress in zip(logs, header.progress(), strict=True):
            gap = await self._check(log, progress)
            if gap is not None:
                gaps.append(gap)
                progress = replace(progress, next_offset=log.start, last=None)
            progresses.append(replace(progress, topic_id=log.topic_id or progress.topic_id))
        submitted, returned = progresses
        header = replace(header, submitted=submitted, returned=returned)
        return _beyond(header, gaps, logs[SUBMITTED]) if gaps else header, gaps

    async def _check(self, log: Log, progress: Progress) -> Gap | None:
        check_same_topic(log.tp.topic, progress.topic_id, log.topic_id)
        if progress.next_offset > log.end:
            raise StateError(
                f"{log} ends at offset {log.end}, but the state has worked up to "
                f"{progress.next_offset}: records were lost, or the topic was made anew. Use "
                "another RETURNWATCH_APP_ID for a new topic."
            )
        if progress.next_offset < log.start:
            return await self._gap(log, progress)
        if progress.last is not None and progress.last.offset >= log.start:
            found = await self.record_from(log.tp, progress.last.offset)
            _check_record(log, progress, found)
        return None

    async def _gap(self, log: Log, progress: Progress) -> Gap:
        if not self.is_gap_accepted:
            raise StateError(
                f"{log} begins at offset {log.start}, but the state has worked only up to "
                f"{progress.next_offset}: retention has removed "
                f"{_stretch(log, progress.next_offset, progress.arrival_ms)} that were never read. "
                "Give the topic a longer retention; to go on without them type: returnwatch worker "
                "--accept-gap (orders open at the gap are then not told as timed out)."
            )
        until_ms = await self.lost_until_ms(log, progress.arrival_ms)
        return Gap(log, progress.next_offset, progress.arrival_ms, until_ms)

    async def lost_until_ms(self, log: Log, arrival_ms: int) -> int:
        """Everything before the log's start arrived before this time; `arrival_ms` is the arrival
        of the last record read before."""
        first = await self.record_from(log.tp, log.start) if log.start < log.end else None
        next_ms = self.now_ms() if first is None else first.timestamp_ms
        return max(next_ms, arrival_ms) + 1


def _check_record(log: Log, progress: Progress, found: Record | None) -> None:
    last = progress.last
    if last is None or found is None or found.offset != last.offset or fingerprint(found) == last:
        return
    raise StateError(
        f"{log} holds another record at offset {found.offset} than the one this state came from: "
        "the topic was made anew. Use another RETURNWATCH_APP_ID for the new topic."
    )


def _beyond(header: Header, gaps: list[Gap], submitted: Log) -> Header:
    """Lost returns may have answered any order that opens before the gap ends; a return after it
    may answer a lost submission."""
    until_ms = max(header.gap_until_ms or 0, *(gap.until_ms for gap in gaps))
    header = replace(header, gap_until_ms=until_ms)
    cuts = [gap.until_ms for gap in gaps if gap.log == submitted]
    if not cuts:
        return header
    return replace(header, entered_inside=True, cut_ms=max(header.cut_ms or 0, *cuts))


def _stretch(log: Log, from_offset: int, after_ms: int) -> str:
    after = "an unknown time" if after_ms < 0 else rfc3339(after_ms)
    return f"offsets {from_offset} to {log.start - 1} ({log.start - from_offset}, after {after})"
