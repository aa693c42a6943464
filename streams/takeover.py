"""Takeover of a partition: prove membership, fence, restore, check the log, say where to go on.

Owns the order of these steps. What is asked of the broker comes
through `Broker`, what reads and writes the changelog is streams.state's.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from aiokafka import TopicPartition

from schemas.records import RETURNED, SUBMITTED
from streams.continuity import Continuity, Gap, Log
from streams.core.sequence import NEVER_MS
from streams.state.changelog import State
from streams.state.header import Header, Progress, StateError, first_header
from streams.state.ledger import Ledger
from streams.state.store import KafkaStore
from streams.topics import Shape
from streams.transport.log_bounds import BrokerUnavailable
from streams.watch import Duty

# Well below the session timeout of 6 s; what remains is from the last look at the clock to the
# request's leaving, some microseconds.
HEARTBEAT_FRESH_S: Final = 2.0
HEARTBEATS_MAX: Final = 5

Offsets = dict[TopicPartition, int]


class Broker(Protocol):
    """What a takeover asks of the broker; ends are those of the leaders' logs."""

    async def log_ends(self, tps: Iterable[TopicPartition]) -> Offsets: ...

    async def log_starts(self, tps: Iterable[TopicPartition]) -> Offsets: ...

    async def offsets_for_time(self, tps: Iterable[TopicPartition], time_ms: int) -> Offsets: ...


class Member(Protocol):
    """What a takeover asks of the consumer group's member."""

    async def heartbeat(self, generation: int) -> None:
        """Returns while the member stands in the generation of its assignment, else raises."""

    async def committed(self, tp: TopicPartition) -> int | None:
        """The group's committed offset, if there is one."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a takeover is to be done: `shapes` are those of the inputs, `start_at` is earliest,
    latest or a time in ms."""

    duty: Duty
    store: KafkaStore
    shapes: tuple[Shape, Shape]
    start_at: str | int
    continuity: Continuity

    @property
    def partitions(self) -> int:
        """How many partition numbers there are."""
        return self.shapes[SUBMITTED].partitions


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
    gaps: list[Gap]


async def prove_membership(member: Member, generation: int, what: str) -> None:
    """Returns right after a heartbeat that was answered soon; BrokerUnavailable if none is."""
    for _ in range(HEARTBEATS_MAX):
        asked_s = time.monotonic()
        await member.heartbeat(generation)
        if time.monotonic() - asked_s < HEARTBEAT_FRESH_S:
            return
    raise BrokerUnavailable(
        f"The group's heartbeats take longer than {HEARTBEAT_FRESH_S:.0f} s each: {what} "
        "cannot be taken over safely. Check the brokers' load."
    )


@dataclass(slots=True)
class Takeover:
    """One partition number's takeover; `run` does it once."""

    terms: Terms
    partition: int
    generation: int  # Of the assignment that gave us the partition.
    broker: Broker
    member: Member
    progress: RestoreProgress = field(default_factory=RestoreProgress)

    async def run(self) -> Taken:
        """Take the partition; on any failure the ledger is closed and nothing was written."""
        ledger = self.terms.store.ledger(self.partition)
        try:
            await self._prove_membership()
            await ledger.fence(self._prove_membership)
            state = await self._restored()
            is_new = state.header is None
            if state.header is None:
                state.header = await self._first_header()
            state.header, gaps = await self._continued(state.header)
        except BaseException:
            await ledger.close()
            raise
        return Taken(state, ledger, is_new, gaps)

    async def _prove_membership(self) -> None:
        """Returns while nobody else can have been given the partition: the group takes nobody for
        dead before the session timeout, counted from a heartbeat it has answered. A process that
        was stopped meanwhile sees it from the time that has passed, and asks again."""
        await prove_membership(self.member, self.generation, f"partition {self.partition}")

    async def _restored(self) -> State:
        changelog = self.terms.store.changelog(self.partition)
        end = (await self.broker.log_ends([changelog]))[changelog]
        self.progress.end = end

        def note(read_to: int, _: int) -> None:
            self.progress.read_to = read_to

        state = await self.terms.store.restore(self.partition, end_offset=end, on_progress=note)
        state.check()
        return state

    async def _first_header(self) -> Header:
        for tp in self.terms.duty.inputs(self.partition):
            if await self.member.committed(tp) is not None:
                # Stopped after the restore, we may see what a later owner has committed.
                await self._prove_membership()
                raise StateError(self._lost_state())
        submitted, returned = self.terms.duty.inputs(self.partition)
        starts = await self.broker.log_starts([submitted, returned])
        # The returned side first: a submission read must not miss the return that came meanwhile.
        returned_at = await self._start_offset(returned, starts[returned])
        submitted_at = await self._start_offset(submitted, starts[submitted])
        start = (
            Progress(submitted_at, NEVER_MS, None),
            Progress(returned_at, NEVER_MS, None),
        )
        digest = self.terms.duty.policy.digest()
        header = first_header(start, partitions=self.terms.partitions, policy_digest=digest)
        if self.terms.start_at == "latest":
            return header
        # Retention takes each topic's records in steps of its own: what answers the first
        # submissions, or what the first returns answer, may be gone already.
        lost_ms = [
            await self._lost_until_ms(tp, starts[tp])
            if progress.next_offset == starts[tp] > 0
            else None
            for tp, progress in zip((submitted, returned), start, strict=True)
        ]
        return replace(header, cut_ms=lost_ms[SUBMITTED], gap_until_ms=lost_ms[RETURNED])

    async def _lost_until_ms(self, tp: TopicPartition, start: int) -> int:
        """Everything that retention has removed before a log's start arrived before this time."""
        end = (await self.broker.log_ends([tp]))[tp]
        return await self.terms.continuity.lost_until_ms(Log(tp, start, end, None), NEVER_MS)

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
            return (await self.broker.log_ends([tp]))[tp]
        assert isinstance(start_at, int), "settings know no other start"
        return (await self.broker.offsets_for_time([tp], start_at))[tp]

    async def _continued(self, header: Header) -> tuple[Header, list[Gap]]:
        """StateError where the log is not the one the state came from, or has lost a stretch."""
        if header.partitions != self.terms.partitions:
            raise StateError(
                f"The state was made with {header.partitions} partitions, the topics have "
                f"{self.terms.partitions} now: orders have moved between partitions. Drain the "
                "old topics first, or start with another RETURNWATCH_APP_ID."
            )
        inputs = self.terms.duty.inputs(self.partition)
        starts = await self.broker.log_starts(inputs)
        ends = await self.broker.log_ends(inputs)
        unknown = [tp for tp in inputs if tp not in ends]
        if unknown:
            raise BrokerUnavailable(f"The leader of {unknown[0]} does not tell where its log ends.")
        submitted, returned = (
            Log(tp, starts[tp], ends[tp], shape.topic_id)
            for tp, shape in zip(inputs, self.terms.shapes, strict=True)
        )
        return await self.terms.continuity.check(header, (submitted, returned))
