"""The worker: which partitions are in its care, and what happens as they come and go.

The group's listener only notes an assignment; a task of the worker's own takes partitions over
while they are paused. What goes wrong anywhere ends in `failed`, and the worker stops.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka import TopicPartition

from streams.charge import Charge
from streams.continuity import announce
from streams.group_offsets import keep_committed
from streams.heartbeats import Heart
from streams.means import Means
from streams.patience import keep_asking
from streams.roster import Roster
from streams.state.ledger import Fenced
from streams.takeover import RestoreProgress, Taken, Takeover
from streams.transport.batches import Batch
from streams.transport.consumer import BatchConsumer
from streams.transport.thread import LostMembership
from streams.watch import Watch

LAST_CHECKPOINT_TIMEOUT_S: Final = 5.0  # Of partitions that move on, or of a worker that stops.
TAKEOVERS_MAX: Final = 4  # At a time.
LOST_FENCES_MAX: Final = 3
LOST_FENCES_WINDOW_S: Final = 60.0

log = structlog.get_logger(__name__)


class LostTooOften(Exception):
    """Other workers took this one's partitions again and again."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the group gave this worker last."""

    partitions: frozenset[int]
    generation: int


class Worker:
    """The transport's observer, and the agent's hands; made inside a running loop."""

    def __init__(self, means: Means, consumer: Callable[[], BatchConsumer]) -> None:
        self.roster = Roster(consumer, self._lost)
        self.restores: dict[int, RestoreProgress] = {}
        self.assignment: Assignment | None = None
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.means = means
        self._consumer = consumer
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost_at_s: deque[float] = deque()
        self._lost_now: set[int] = set()  # Fenced away in this generation.
        self._is_leaving = False  # After a lost fence, until the assignment that follows.

    def start(self) -> None:
        """Begin to tend; assignments come from the transport."""
        means, roster = self.means, self.roster
        self.spawn(self._tend())
        self.spawn(keep_committed(roster.open_charges, self._consumer))
        if means.pulse is not None:
            self.spawn(Heart(means.pulse, means.prover, roster.open_charges, self._work).run())
        self.spawn(
            keep_asking(
                lambda: means.prover.run(roster.open_charges, self._work),
                lambda: means.log_bounds.silent_s,
                limit_s=means.broker_timeout_s,
            )
        )

    async def take(self, batches: Sequence[Batch]) -> None:
        """Work what was read next; what is left of an earlier opening is dropped. What is read of
        both sides of a partition is worked at once."""
        fed: dict[int, Charge] = {}
        try:
            for batch in batches:
                charge = self.roster.get(batch.partition)
                if charge is not None and charge.opening == batch.opening:
                    self._feed(charge, batch)
                    fed[batch.partition] = charge
            for charge in fed.values():
                self._work(charge)
        except Exception as error:  # Faust would start its agent again, over records that are lost.
            self.on_failed(error)

    async def stop(self) -> None:
        """Write a last checkpoint of everything, unless something failed, and let go."""
        self.roster.close_all()
        try:
            if not self.failed.done():
                await self.roster.write_all(LAST_CHECKPOINT_TIMEOUT_S)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.roster.drop_all()

    @property
    def member_id(self) -> str:
        """What the group calls this worker; empty before its first assignment."""
        return "" if self.assignment is None else self._consumer().member_id

    async def dismiss(self, member_id: str) -> None:
        """Say to the group that another worker has died; nothing happens outside the group."""
        if self.assignment is not None:
            await self._consumer().dismiss(member_id)

    # What the transport calls while the group rebalances.

    async def on_revoked(self, tps: frozenset[TopicPartition]) -> None:
        """Write what there is; which partitions really go is known with the next assignment."""
        self.roster.close_all()
        await self.roster.write_all(LAST_CHECKPOINT_TIMEOUT_S)

    async def on_assigned(self, tps: frozenset[TopicPartition], generation: int) -> None:
        """Only notes it: the heartbeat waits for this to return."""
        self.roster.close_all()
        self.assignment = Assignment(frozenset(tp.partition for tp in tps), generation)
        self._lost_now.clear()
        self._is_leaving = False
        self._changed.set()

    def on_failed(self, error: BaseException) -> None:
        """Stop the worker for this reason; the first one counts."""
        if not self.failed.done():
            self.failed.set_exception(error)

    @property
    def generation(self) -> int:
        """Of the newest assignment."""
        assert self.assignment is not None, "nothing was assigned yet"
        return self.assignment.generation

    @property
    def member(self) -> BatchConsumer:
        """The group's member."""
        return self._consumer()

    # What goes on beside.

    async def _tend(self) -> None:
        """Follow each assignment; a newer one interrupts."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            assert self.assignment is not None
            following = asyncio.create_task(self._follow(self.assignment))
            changed = asyncio.create_task(self._changed.wait())
            try:
                await asyncio.wait({following, changed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
                following.cancel()
                outcome, _ = await asyncio.gather(following, changed, return_exceptions=True)
            if isinstance(outcome, Exception):
                await self._not_followed(outcome)

    async def _not_followed(self, outcome: Exception) -> None:
        errors = outcome.exceptions if isinstance(outcome, ExceptionGroup) else (outcome,)
        for error in errors:
            if not isinstance(error, LostMembership | Fenced):
                raise error
        log.info("the assignment is out of date", reason=str(errors[0]))
        if any(isinstance(error, Fenced) for error in errors):
            await self._join_anew()

    async def _follow(self, assignment: Assignment) -> None:
        # Partitions that came after the start have no state's topics yet: the guard holds verdicts.
        known = assignment.partitions & frozenset(range(self.means.terms.partitions))
        for partition in self.roster.partitions - known:
            self.roster.drop(partition)
        for charge in self.roster:
            await self.roster.open(charge)
        new = sorted(known - self.roster.partitions - self._lost_now)
        kept = sorted(self.roster.partitions)
        log.info("partitions assigned", kept=kept, new=new, generation=assignment.generation)
        gate = asyncio.Semaphore(TAKEOVERS_MAX)
        async with asyncio.TaskGroup() as group:
            for partition in new:
                group.create_task(self._take_over(partition, assignment.generation, gate=gate))

    async def _take_over(self, partition: int, generation: int, *, gate: asyncio.Semaphore) -> None:
        means = self.means
        async with gate:
            began_s = time.monotonic()
            takeover = Takeover(
                means.terms,
                partition,
                generation,
                broker=means.log_bounds,
                member=self._consumer(),
            )
            self.restores[partition] = takeover.progress
            try:
                charge = await self._begin(partition, await takeover.run())
            finally:
                del self.restores[partition]
            await self.roster.open(charge)
            log.info(
                "partition taken over",
                partition=partition,
                orders=len(charge.watch.tracker.book.orders),
                restored_offsets=takeover.progress.read_to,
                took_s=round(time.monotonic() - began_s, 3),
            )

    async def _begin(self, partition: int, taken: Taken) -> Charge:
        duty, rhythm = self.means.terms.duty, self.means.rhythm
        try:
            watch = Watch(duty, partition, taken.state)
            charge = Charge(watch, taken.ledger, duty.inputs(partition), rhythm)
            if taken.gaps:
                announce(taken.gaps, watch.withhold_open())
            if taken.is_new or taken.gaps:  # Where to go on must survive a crash: it stands there.
                await charge.write_now()
        except BaseException:
            await taken.ledger.close()
            raise
        self.roster.add(charge)
        return charge

    def _lost(self, charge: Charge, error: Exception) -> None:
        """A checkpoint failed: fenced, the partition is another's; else a restart is right."""
        if not isinstance(error, Fenced):
            self.on_failed(error)
            return
        partition = charge.watch.partition
        log.warning("partition is owned by another worker", partition=partition)
        self._lost_now.add(partition)
        self.roster.drop(partition)
        self.spawn(self._join_anew())

    async def _join_anew(self) -> None:
        """Leave the group and join it again; partitions come with the next assignment only."""
        if self._is_leaving:
            return
        self._is_leaving = True
        now_s = time.monotonic()
        self._lost_at_s.append(now_s)
        while self._lost_at_s[0] < now_s - LOST_FENCES_WINDOW_S:
            self._lost_at_s.popleft()
        if len(self._lost_at_s) > LOST_FENCES_MAX:
            raise LostTooOften(
                f"Other workers took partitions {len(self._lost_at_s)} times within "
                f"{LOST_FENCES_WINDOW_S:.0f} s: check that no other deployment uses the same "
                f"RETURNWATCH_APP_ID ({self.means.terms.duty.app_id})."
            )
        await self._consumer().rejoin()

    def _feed(self, charge: Charge, batch: Batch) -> None:
        side = charge.side_of(batch.topic)
        try:
            self.means.partitioners.look(side, batch)
            charge.watch.feed(side, (batch.from_offset, batch.next_offset), batch.records)
        except Exception:
            self.roster.drop(batch.partition)  # Half fed: nothing more may be written of it.
            raise

    def _work(self, charge: Charge) -> None:
        if self.roster.get(charge.watch.partition) is not charge:
            return
        try:
            charge.work()
        except Exception:
            self.roster.drop(charge.watch.partition)  # Half worked: nothing more may be written.
            raise
        consumer = self._consumer()
        for side, tp in enumerate(charge.tps):
            if charge.watch.is_full(side):
                consumer.hold(tp)
            else:
                consumer.release(tp)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something beside, until the worker stops; its failure is the worker's."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.on_failed(error)
