"""The consumer's own thread: aiokafka's consumer group member and its fetches.

Faust runs aiokafka's consumer in a thread of its own, so that heartbeats go on while records are
worked. Everything here that touches that consumer runs in there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiokafka
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from schemas.records import Record

FETCH_RECORDS_MAX: Final = 5_000  # Handed over at once, over all partitions.
FETCH_WAIT_S: Final = 0.1  # So long a stretch without records (markers) may wait to be handed over.
PARTITION_FETCH_BYTES: Final = 1024 * 1024
# One fetch a broker is under way at a time, so a record may wait so long behind a silent one: with
# 500 ms the p99 delay of a verdict at 2,000 records/s was 36 ms, with 100 ms it was 25 ms
# (python -m tests.bench.throughput --only delay --seconds 15).
FETCH_MAX_WAIT_MS: Final = 100
SESSION_TIMEOUT_MS: Final = 10_000
HEARTBEAT_INTERVAL_MS: Final = 1_000
REBALANCE_TIMEOUT_MS: Final = 30_000
REQUEST_TIMEOUT_MS: Final = 20_000


class LostMembership(Exception):
    """The member does not stand in the generation of its assignment any more."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Where the position went for one topic partition, and the records on the way."""

    tp: TopicPartition
    from_offset: int
    next_offset: int
    records: list[Record]


class BatchConsumerThread(AIOKafkaConsumerThread):
    """Faust's consumer thread with a read_committed consumer, and fetches by stretches."""

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

    async def open(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Fetch on from these offsets; partitions not assigned any more are left out."""
        await self.call_thread(self._open, offsets)

    async def fetch(self, wanted: Mapping[TopicPartition, int]) -> list[Fetched]:
        """What came next of the wanted partitions, each at its offset, within FETCH_WAIT_S."""
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
        self._ensure_consumer()._coordinator.check_errors()

    async def _open(self, offsets: Mapping[TopicPartition, int]) -> None:
        consumer = self._ensure_consumer()
        for tp, offset in offsets.items():
            if tp in consumer.assignment():
                consumer.seek(tp, offset)
                consumer.resume(tp)

    async def _fetch(self, wanted: Mapping[TopicPartition, int]) -> list[Fetched]:
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        consumer._coordinator.check_errors()
        with fetcher._subscriptions.fetch_context():
            found = await fetcher.fetched_records(
                list(wanted), timeout=FETCH_WAIT_S, max_records=FETCH_RECORDS_MAX
            )
        stretches = []
        for tp, from_offset in wanted.items():
            records = [
                Record(record.offset, record.timestamp, record.key, record.value, record.headers)
                for record in found.get(tp, ())
            ]
            position = self._position(tp)
            if records:
                next_offset = max(position or 0, records[-1].offset + 1)
            else:
                next_offset = position or from_offset
            if next_offset > from_offset:
                stretches.append(Fetched(tp, from_offset, next_offset, records))
        return stretches

    def _position(self, tp: TopicPartition) -> int | None:
        assignment = self._ensure_consumer()._subscription.subscription.assignment
        if assignment is None or tp not in assignment.tps:
            return None
        state = assignment.state_value(tp)
        return state.position if state.has_valid_position else None

    async def _prove_membership(self, generation: int) -> None:
        coordinator = self._ensure_consumer()._coordinator
        stands = await coordinator._do_heartbeat()
        rejoining = coordinator._rejoin_needed_fut.done()
        if not stands or rejoining or coordinator.generation != generation:
            raise LostMembership(f"not in generation {generation} of the group any more")

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
            await consumer.commit(wanted)
        except (KafkaError, ValueError):  # Lag tools see the next one; it is read by nobody else.
            return False
        return True
