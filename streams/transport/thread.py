"""The consumer's own thread: aiokafka's consumer group member.

Faust runs aiokafka's consumer in a thread of its own, so that heartbeats go on while records are
worked. Everything here that touches that consumer runs in there. It fetches nothing: its partitions
are paused for good, and the input reader has them.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

import aiokafka
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from mode.threads import MethodQueue

from streams.transport.ending import end_soon

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
DISMISS_TIMEOUT_S: Final = 2.0
CALLS_MAX: Final = 8  # Into the thread, at a time.


class LostMembership(Exception):
    """The member does not stand in the generation of its assignment any more."""


class MemberThread(AIOKafkaConsumerThread):
    """Faust's consumer thread, with a consumer that is a member and no more."""

    _method_queue: MethodQueue | None = None

    @property
    def method_queue(self) -> MethodQueue:
        """With Faust's two workers, two slow questions about the group would hold up the rest."""
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
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_INTERVAL_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            max_poll_interval_ms=2**31 - 1,  # It is never polled.
        )

    async def on_thread_stop(self) -> None:
        """Leave the group, or let it be where no broker answers: Faust waits for this thread."""
        await end_soon(super().on_thread_stop(), self._consumer)

    def pause_all(self, tps: Iterable[TopicPartition]) -> None:
        """Fetch nothing of these; called from the listener, in the thread."""
        self._ensure_consumer().pause(*tps)

    async def check(self) -> None:
        """Raise what the group's member met meanwhile; it waits until somebody asks."""
        await self.call_thread(self._check)

    async def prove_membership(self, generation: int) -> None:
        """Ask the coordinator with a heartbeat; LostMembership unless it stands in `generation`."""
        await self.call_thread(self._prove_membership, generation)

    async def rejoin(self) -> None:
        """Give up the generation and join the group as a new member."""
        await self.call_thread(self._rejoin)

    @property
    def member_id(self) -> str:
        """What the group calls it; empty where it has no name yet."""
        consumer = self._consumer
        return "" if consumer is None else str(consumer._coordinator.member_id)

    async def dismiss(self, member_id: str) -> None:
        """Say to the group that another member has died, or it waits for the member's session."""
        await self.call_thread(self._dismiss, member_id)

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

    async def _dismiss(self, member_id: str) -> None:
        coordinator = self._ensure_consumer()._coordinator
        request = LeaveGroupRequest(coordinator.group_id, member_id)
        # Where nobody answers, the group finds it out by itself.
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(DISMISS_TIMEOUT_S):
                await coordinator._send_req(request)

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
