"""The consumer's own thread: aiokafka's consumer group member and its fetches.

Faust runs aiokafka's consumer in a thread of its own, so that heartbeats go on while records are
worked. Everything here that touches that consumer runs in there.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiokafka
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError, NoOffsetForPartitionError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from mode.threads import MethodQueue

from schemas.records import Record
from streams.transport.unpacking import take_fetched

FETCH_RECORDS_MAX: Final = 5_000  # Handed over at once, over all partitions.
FETCH_WAIT_S: Final = 0.1  # So long a stretch without records (markers) may wait to be handed over.
PARTITION_FETCH_BYTES: Final = 1024 * 1024
# One fetch a broker is under way at a time, so a record may wait so long behind a silent one: with
# 500 ms the p99 delay of a verdict at 2,000 records/s was 36 ms, with 100 ms it was 25 ms
# (python -m tests.bench.throughput --only delay --seconds 15).
FETCH_MAX_WAIT_MS: Final = 100
# The least that a broker takes by default (group.min.session.timeout.ms): so long nobody works the
# partitions of a worker that died without a word.
SESSION_TIMEOUT_MS: Final = 6_000
HEARTBEAT_INTERVAL_MS: Final = 1_000
REBALANCE_TIMEOUT_MS: Final = 30_000
REQUEST_TIMEOUT_MS: Final = 20_000
HEARTBEATS_MAX: Final = 20  # Of one proof of membership, while its coordinator moves.
HEARTBEAT_RETRY_S: Final = 0.5
MEMBERSHIP_TIMEOUT_S: Final = 15.0
COMMIT_TIMEOUT_S: Final = 5.0
CALLS_MAX: Final = 8  # Into the thread, at a time.


class LostMembership(Exception):
    """The member does not stand in the generation of its assignment any more."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Where the position went for one topic partition, and the records on the way."""

    tp: TopicPartition
    from_offset: int
    next_offset: int
    records: list[Record]
    opening: int


@dataclass(slots=True)
class _Cursor:
    next_offset: int
    opening: int


class BatchConsumerThread(AIOKafkaConsumerThread):
    """Faust's consumer thread with a read_committed consumer, and fetches by stretches."""

    _method_queue: MethodQueue | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._cursors: dict[TopicPartition, _Cursor] = {}

    @property
    def method_queue(self) -> MethodQueue:
        """With Faust's two workers, two slow questions about the group would stop the fetching."""
        if self._method_queue is None:
            self._method_queue = MethodQueue(
                num_workers=CALLS_MAX, loop=self.thread_loop, beacon=self.beacon
            )
        return self._method_queue

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        self._assignor = self.app.assignor  # Sticky, and keeps equal-sized topics together.
        return aiokafka.AIOKafkaConsumer(
            **transport.client_options,
            group_id=self.app.conf.id,
            partition_assignment_strategy=[self._assignor],
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_INTERVAL_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            max_poll_interval_ms=2**31 - 1,  # Partitions that are held back are not polled.
        )

    def pause_all(self, tps: Iterable[TopicPartition]) -> None:
        """Fetch nothing of these until they are opened; called from the listener, in the thread."""
        self._ensure_consumer().pause(*tps)

    async def open(self, offsets: Mapping[TopicPartition, int], opening: int) -> None:
        """Fetch on from these offsets; partitions not assigned any more are left out."""
        await self.call_thread(self._open, offsets, opening)

    async def fetch(self, wanted: Mapping[TopicPartition, int]) -> list[Fetched]:
        """What came next of the wanted partitions, each of this opening, within FETCH_WAIT_S."""
        fetched: list[Fetched] = await self.call_thread(self._fetch, wanted)
        return fetched

    async def check(self) -> None:
        """Raise what the group's member met meanwhile; it waits until somebody asks."""
        await self.call_thread(self._check)

    async def prove_membership(self, generation: int) -> None:
        """Ask the coordinator with a heartbeat; LostMembership unless it stands in `generation`."""
        await self.call_thread(self._prove_membership, generation)

    async def rejoin(self) -> None:
        """Give up the generation and join the group as a new member."""
        await self.call_thread(self._rejoin)

    async def committed(self, tp: TopicPartition) -> int | None:
        """The group's committed offset of an assigned partition."""
        offset: int | None = await self.call_thread(self._ensure_consumer().committed, tp)
        return offset

    async def try_commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit offsets for lag tools; False if the group does not take them now."""
        done: bool = await self.call_thread(self._try_commit, offsets)
        return done

    async def _check(self) -> None:
        consumer = self._ensure_consumer()
        consumer._coordinator.check_errors()
        routine = consumer._fetcher._fetch_task
        if routine.done() and not consumer._closed:  # aiokafka would fetch nothing and say nothing.
            routine.result()
            raise ConsumerStoppedError

    async def _open(self, offsets: Mapping[TopicPartition, int], opening: int) -> None:
        consumer = self._ensure_consumer()
        for tp, offset in offsets.items():
            if tp in consumer.assignment():
                consumer.seek(tp, offset)
                consumer.resume(tp)
                self._cursors[tp] = _Cursor(offset, opening)

    async def _fetch(self, wanted: Mapping[TopicPartition, int]) -> list[Fetched]:
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        await self._check()
        try:
            with fetcher._subscriptions.fetch_context():
                found = await take_fetched(
                    fetcher, wanted, limit=FETCH_RECORDS_MAX, timeout_s=FETCH_WAIT_S
                )
        except NoOffsetForPartitionError:  # Committed offsets decide nothing: `open` seeks.
            return []
        fetched = (self._stretch(tp, opening, found.get(tp, [])) for tp, opening in wanted.items())
        return [stretch for stretch in fetched if stretch is not None]

    def _stretch(self, tp: TopicPartition, opening: int, records: list[Record]) -> Fetched | None:
        cursor = self._cursors.get(tp)
        if cursor is None:
            return None
        if cursor.opening != opening:
            # It was opened again while this fetch was under way, and some of what comes next may
            # be in `records`: go back to where that opening begins, or it would be passed over.
            if records:
                self._ensure_consumer().seek(tp, cursor.next_offset)
            return None
        from_offset = cursor.next_offset
        assert not records or records[0].offset >= from_offset, "an offset went backwards"
        position = self._position(tp) or from_offset
        cursor.next_offset = max(position, records[-1].offset + 1) if records else position
        if cursor.next_offset <= from_offset:
            return None
        return Fetched(tp, from_offset, cursor.next_offset, records, opening)

    def _position(self, tp: TopicPartition) -> int | None:
        assignment = self._ensure_consumer()._subscription.subscription.assignment
        if assignment is None or tp not in assignment.tps:
            return None
        state = assignment.state_value(tp)
        return state.position if state.has_valid_position else None

    async def _prove_membership(self, generation: int) -> None:
        try:
            async with asyncio.timeout(MEMBERSHIP_TIMEOUT_S):
                await self._heartbeat(generation)
        except TimeoutError as error:
            # So that an assignment follows, whatever was wrong.
            self._ensure_consumer()._coordinator.request_rejoin()
            raise LostMembership("the group's coordinator is not to be found") from error

    async def _heartbeat(self, generation: int) -> None:
        coordinator = self._ensure_consumer()._coordinator
        for _ in range(HEARTBEATS_MAX):
            if coordinator._rejoin_needed_fut.done() or coordinator.generation != generation:
                raise LostMembership(f"not in generation {generation} of the group any more")
            await coordinator.ensure_coordinator_known()
            stands = await coordinator._do_heartbeat()
            if stands and not coordinator._rejoin_needed_fut.done():
                return
            await asyncio.sleep(HEARTBEAT_RETRY_S)
        coordinator.request_rejoin()  # So that an assignment follows, whatever was wrong.
        raise LostMembership("the group's coordinator does not answer heartbeats")

    async def _rejoin(self) -> None:
        coordinator = self._ensure_consumer()._coordinator
        await coordinator._maybe_leave_group()
        coordinator.reset_generation()

    async def _try_commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        wanted = {tp: OffsetAndMetadata(at, "") for tp, at in offsets.items() if tp in assigned}
        if not wanted:
            return False
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await consumer.commit(wanted)
        except (KafkaError, ValueError, TimeoutError):
            return False  # Lag tools see the next one; nobody else reads it.
        return True
