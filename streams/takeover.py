"""Takeover of a partition: prove membership, fence, restore, check the log, say where to go on.

Owns the order of these steps and every reason to refuse. What is asked of the broker comes
through `Broker`, what reads and writes the changelog is streams.state's.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiokafka import TopicPartition

from schemas.records import RETURNED, SUBMITTED, Record
from schemas.times import rfc3339
from streams.core.sequence import NEVER_MS
from streams.state.changelog import State
from streams.state.header import Header, Progress, StateError, fingerprint
from streams.state.ledger import Ledger
from streams.state.store import KafkaStore
from streams.watch import Duty

Offsets = dict[TopicPartition, int]


class Broker(Protocol):
    """What a takeover asks of the broker; high watermarks are asked read_uncommitted."""

    async def high_watermarks(self, tps: Iterable[TopicPartition]) -> Offsets: ...

    async def log_starts(self, tps: Iterable[TopicPartition]) -> Offsets: ...

    async def offsets_for_time(self, tps: Iterable[TopicPartition], time_ms: int) -> Offsets: ...


class Member(Protocol):
    """What a takeover asks of the consumer group's member."""

    async def heartbeat(self, generation: int) -> None:
        """Returns while the member stands in the generation of its assignment, else raises."""

    async def committed(self, tp: TopicPartition) -> int | None:
        """The group's committed offset, if there is one."""


RecordAt = Callable[[TopicPartition, int], Any]  # Awaitable of the Record at an offset, or None.


@dataclass(frozen=True, slots=True)
class Terms:
    """How a takeover is to be done; `start_at` is earliest, latest or a time in ms."""

    duty: Duty
    store: KafkaStore
    partitions: int
    start_at: str | int


@dataclass(slots=True)
class RestoreProgress:
    """How far a restore has come, for metrics and the log."""

    read_to: int = 0
    end: int = 0


@dataclass(slots=True)
class Taken:
    """A partition that was taken over: its state and the ledger to write its checkpoints with."""

    state: State
    ledger: Ledger
    is_new: bool


@dataclass(slots=True)
class Takeover:
    """One partition number's takeover; `run` does it once."""

    terms: Terms
    partition: int
    generation: int  # Of the assignment that gave us the partition.
    broker: Broker
    member: Member
    record_at: RecordAt
    progress: RestoreProgress = field(default_factory=RestoreProgress)

    async def run(self) -> Taken:
        """Take the partition; on any failure the ledger is closed and nothing was written."""
        terms = self.terms
        ledger = terms.store.ledger(self.partition)
        try:
            await self.member.heartbeat(self.generation)
            await ledger.fence()
            state = await self._restored()
            is_new = state.header is None
            if state.header is None:
                state.header = await self._first_header()
            await self._check(state.header)
        except BaseException:
            await ledger.close()
            raise
        return Taken(state, ledger, is_new)

    async def _restored(self) -> State:
        changelog = self.terms.store.changelog(self.partition)
        end = (await self.broker.high_watermarks([changelog]))[changelog]
        self.progress.end = end

        def note(read_to: int, _: int) -> None:
            self.progress.read_to = read_to

        return await self.terms.store.restore(self.partition, end_offset=end, on_progress=note)

    async def _first_header(self) -> Header:
        for tp in self.terms.duty.inputs(self.partition):
            if await self.member.committed(tp) is not None:
                raise StateError(self._lost_state())
        submitted, returned = self.terms.duty.inputs(self.partition)
        starts = await self.broker.log_starts([submitted, returned])
        # The returned side first: a submission read must not miss the return that came meanwhile.
        returned_at = await self._start_offset(returned, starts[returned])
        submitted_at = await self._start_offset(submitted, starts[submitted])
        return Header(
            submitted=Progress(submitted_at, NEVER_MS, None),
            returned=Progress(returned_at, NEVER_MS, None),
            frontier_ms=NEVER_MS,
            partitions=self.terms.partitions,
            policy_digest=self.terms.duty.policy.digest(),
            segment=0,
            entered_inside=submitted_at > 0 or returned_at > 0,
            cut_ms=None,
            worked_at_ms=0,
        )

    def _lost_state(self) -> str:
        return (
            f"Partition {self.partition} has committed group offsets but no state in "
            f"{self.terms.store.changelog_topic}: its changelog was lost. Delete the offsets of "
            f"consumer group {self.terms.duty.app_id} to build the state again from the inputs "
            "(RETURNWATCH_START_AT=earliest); verdicts already told are told again."
        )

    async def _start_offset(self, tp: TopicPartition, log_start: int) -> int:
        start_at = self.terms.start_at
        if start_at == "earliest":
            return log_start
        if start_at == "latest":
            return (await self.broker.high_watermarks([tp]))[tp]
        assert isinstance(start_at, int), "settings know no other start"
        return (await self.broker.offsets_for_time([tp], start_at))[tp]

    async def _check(self, header: Header) -> None:
        """StateError where the log is not the one the state came from, or has lost a stretch."""
        if header.partitions != self.terms.partitions:
            raise StateError(
                f"The state was made with {header.partitions} partitions, the topics have "
                f"{self.terms.partitions} now: orders have moved between partitions. Drain the "
                "old topics first, or start with another RETURNWATCH_APP_ID."
            )
        inputs = self.terms.duty.inputs(self.partition)
        starts = await self.broker.log_starts(inputs)
        ends = await self.broker.high_watermarks(inputs)
        for side in (SUBMITTED, RETURNED):
            tp, progress = inputs[side], header.progress()[side]
            _check_bounds(tp, progress, (starts[tp], ends[tp]))
            if progress.last is not None and progress.last.offset >= starts[tp]:
                self._check_record(tp, progress, await self.record_at(tp, progress.last.offset))

    def _check_record(self, tp: TopicPartition, progress: Progress, found: Record | None) -> None:
        if found is None or fingerprint(found) == progress.last:
            return
        raise StateError(
            f"{tp.topic} partition {tp.partition} holds another record at offset "
            f"{found.offset} than the one this state came from: the topic was made anew. Use "
            "another RETURNWATCH_APP_ID for the new topic."
        )


def _check_bounds(tp: TopicPartition, progress: Progress, bounds: tuple[int, int]) -> None:
    log_start, end = bounds
    where = f"{tp.topic} partition {tp.partition}"
    if progress.next_offset > end:
        raise StateError(
            f"{where} ends at offset {end}, but the state has worked up to "
            f"{progress.next_offset}: records were lost, or the topic was made anew. Use another "
            "RETURNWATCH_APP_ID for a new topic."
        )
    if progress.next_offset < log_start:
        raise StateError(
            f"{where} begins at offset {log_start}, but the state has worked only up to "
            f"{progress.next_offset} (arrival {_time(progress.arrival_ms)}): retention has removed "
            f"{log_start - progress.next_offset} offsets that were never read. Give the topic a "
            "longer retention; start with another RETURNWATCH_APP_ID to go on from what is left."
        )


def _time(time_ms: int) -> str:
    return "unknown" if time_ms < 0 else rfc3339(time_ms)
