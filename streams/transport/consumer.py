"""Faust's consumer, handing over one message per fetch, each partition in one unbroken line.

Owns which partitions are open, held or closed, and the next offset of each. Partitions begin
closed with every assignment: who watches them opens them where it wants to go on. Faust's own
commits, seeks and gap tree are out of use.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    OffsetOutOfRangeError,
)
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.transport.batches import Batch
from streams.transport.reader import Fetched, InputReader
from streams.transport.thread import MemberThread

IDLE_S: Final = 0.02  # Between looks for a partition to fetch, while there is none.


class Observer(Protocol):
    """Who watches the partitions; called in the main thread while the group rebalances."""

    async def on_assigned(self, tps: frozenset[TopicPartition], generation: int) -> None: ...

    async def on_revoked(self, tps: frozenset[TopicPartition]) -> None: ...

    def on_failed(self, error: Exception) -> None: ...


class ReadFailed(Exception):
    """The inputs cannot be read on; the text says why and what to do."""


class RebalanceListener(driver.ConsumerRebalanceListener):
    """Pauses what was assigned before anything can be fetched of it."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._thread.pause_all(assigned)
        await super().on_partitions_assigned(assigned)


class BatchConsumer(driver.Consumer):
    """See the module."""

    RebalanceListener = RebalanceListener

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open: dict[TopicPartition, int] = {}  # Their opening.
        self._held: set[TopicPartition] = set()
        self._openings = 0
        self._reader = InputReader(self.transport.client_options)

    async def on_start(self) -> None:
        """Connect the reader first: partitions may come at once."""
        await self._reader.start()
        await super().on_start()

    async def on_stop(self) -> None:
        """Leave the group, then let the reader go."""
        await super().on_stop()
        await self._reader.stop()

    async def open_partitions(self, offsets: Mapping[TopicPartition, int]) -> int:
        """Hand these over from the given offsets on; the number of this opening."""
        self._openings += 1
        opening = self._openings
        self.close_partitions(offsets)
        await self._reader.open(offsets, opening)
        self._open.update(dict.fromkeys(offsets, opening))
        self._held.difference_update(offsets)
        return opening

    def close_partitions(self, tps: Iterable[TopicPartition]) -> None:
        """Hand nothing of these over until they are opened again."""
        for tp in tps:
            self._open.pop(tp, None)

    def hold(self, tp: TopicPartition) -> None:
        """Leave what comes next of this one where it is; nothing is lost."""
        self._held.add(tp)

    def release(self, tp: TopicPartition) -> None:
        """Go on with one that was held."""
        self._held.discard(tp)

    async def heartbeat(self, generation: int) -> None:
        """Returns if the member stands in the generation of its assignment, else LostMembership."""
        await self._thread.prove_membership(generation)

    async def check(self) -> None:
        """Raise, in words, what the group's member met meanwhile."""
        try:
            await self._thread.check()
        except KafkaError as error:
            raise _in_words(error) from error

    async def rejoin(self) -> None:
        """Give up every partition and join the group as a new member."""
        self._open.clear()
        await self._thread.rejoin()

    @property
    def member_id(self) -> str:
        """What the group calls this member; empty where it has no name yet."""
        name: str = self._thread.member_id
        return name

    async def dismiss(self, member_id: str) -> None:
        """Say to the group that another member has died."""
        await self._thread.dismiss(member_id)

    async def committed(self, tp: TopicPartition) -> int | None:
        """The group's committed offset of an assigned partition, if there is one."""
        offset: int | None = await self._thread.committed(tp)
        return offset

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit for lag tools; False, and no harm done, if the group does not take them now."""
        done: bool = await self._thread.try_commit(offsets)
        return done

    # What Faust calls.

    def _new_consumer_thread(self) -> MemberThread:
        return MemberThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Tell the observer first; Faust then stops the flow and drops what is under way."""
        self._open.clear()
        await self.transport.observer.on_revoked(_plain(revoked))
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Everything begins closed; the observer opens, from a task of its own."""
        self._open.clear()
        self._held.clear()
        self._reader.assign(_plain(assigned))
        await super().on_partitions_assigned(assigned, generation_id)
        await self.transport.observer.on_assigned(_plain(assigned), generation_id)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's reading loop: hand over what was fetched, as long as both run."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._drain_some()
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                self.transport.observer.on_failed(ReadFailed("The consumer has stopped."))
        except Exception as error:  # Of any kind: Faust would only log it.
            self.transport.observer.on_failed(_in_words(error))

    async def _drain_some(self) -> None:
        wanted = self._wanted()
        if not wanted:
            await asyncio.sleep(IDLE_S)
            return
        batches = [
            _batch_of(fetched)
            for fetched in await self._reader.fetch(wanted)
            # Some may be closed, or opened again, since they were asked for.
            if self._open.get(fetched.tp) == fetched.opening
        ]
        if batches:  # A message costs more than a batch: with many partitions those are small.
            await self.callback(self._message_of(batches))

    def _wanted(self) -> dict[TopicPartition, int]:
        if not self.flow_active:
            return {}
        return {tp: opening for tp, opening in self._open.items() if tp not in self._held}

    def _message_of(self, batches: list[Batch]) -> ConsumerMessage:
        first = batches[0]  # Both topics go to the same agent, so any of them shows the way.
        return ConsumerMessage(
            first.topic,
            first.partition,
            first.from_offset,
            0.0,
            0,
            [],
            None,
            batches,
            None,
            tp=TP(first.topic, first.partition),
            generation_id=self.app.consumer_generation_id,
        )

    async def perform_seek(self) -> None:
        """Never to the group's committed offsets: who opens a partition says where."""

    def ack(self, message: Any) -> bool:
        """Nor is its book of what was worked, which would grow for ever."""
        return True

    async def commit(self, *_: Any, **__: Any) -> bool:
        """Faust's own commit is out of use."""
        return False

    async def verify_all_partitions_active(self) -> None:
        """Faust's check of its own commits has nothing to look at."""


class IdleProducer(driver.Producer):
    """Faust wants a producer; ours are the ledgers', so this one is never connected."""

    async def on_start(self) -> None:
        """Connect nothing."""

    async def flush(self) -> None:
        """Nothing is ever buffered here."""


class BatchTransport(driver.Transport):
    """The transport of an app; `client_options` are aiokafka's, for every client."""

    Consumer = BatchConsumer
    Producer = IdleProducer

    client_options: Mapping[str, Any]
    observer: Observer


def _batch_of(fetched: Fetched) -> Batch:
    tp = fetched.tp
    return Batch(
        tp.topic,
        tp.partition,
        fetched.from_offset,
        fetched.next_offset,
        fetched.records,
        fetched.opening,
    )


def _plain(tps: Iterable[TP]) -> frozenset[TopicPartition]:
    return frozenset(TopicPartition(tp.topic, tp.partition) for tp in tps)


def _in_words(error: Exception) -> Exception:
    if isinstance(error, OffsetOutOfRangeError):
        where = ", ".join(
            f"{tp.topic} partition {tp.partition} at offset {offset}"
            for tp, offset in dict(*error.args).items()
        )
        return ReadFailed(
            f"{where} is not in the log: retention removed records before they were read, or the "
            "log lost its end. Start the worker again: it says which, and what to do."
        )
    if isinstance(error, GroupAuthorizationFailedError):
        failed = ReadFailed(
            "The broker does not let this user join the consumer group: grant it READ on the group "
            "(kafka-acls.sh --add --group)."
        )
        failed.__cause__ = error
        return failed
    return error
