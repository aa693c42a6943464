"""A worker's clients of the in-memory Kafka, with the names of the real ones.

The consumer is the real one over another thread; ledger, store and log bounds are stand-ins.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, TypeVar

from aiokafka import TopicPartition

from schemas.records import Record
from streams.state.changelog import State
from streams.state.ledger import Fenced, LedgerError, Page, Written
from streams.state.restore import OnProgress, RestoreStalled
from streams.transport.batches import Batch
from streams.transport.consumer import BatchConsumer
from streams.transport.log_bounds import BrokerUnavailable
from tests.simulation.log import Busy, Log, Lost
from tests.simulation.membership import Membership
from tests.simulation.network import Network, NoAnswer

BATCHES_WAITING_MAX: Final = 4  # As in streams.app.
RETRY_S: Final = 0.02
RESTORE_RECORDS: Final = 20  # At a time.

Offsets = dict[TopicPartition, int]
_T = TypeVar("_T")


class Consumer(BatchConsumer):
    """The product's own consumer; what it inherits from Faust is left out or done by hand."""

    def __init__(self, membership: Membership) -> None:
        self.flow_active = False
        self.app = SimpleNamespace(consumer_generation_id=0)
        self.waiting: asyncio.Queue[list[Batch]] = asyncio.Queue(BATCHES_WAITING_MAX)
        self.observer: Any = None
        self._thread: Any = membership
        self._reader: Any = membership
        self._open = {}
        self._held = set()
        self._openings = 0

    async def callback(self, message: Any) -> None:
        """Where Faust puts what was read into the agent's queue."""
        await self.waiting.put(message.value)

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self._open.clear()
        await self.observer.on_revoked(frozenset(revoked))
        self.flow_active = False
        while not self.waiting.empty():
            self.waiting.get_nowait()

    async def on_partitions_assigned(self, assigned: Any, generation_id: int = 0) -> None:
        self._open.clear()
        self._held.clear()
        self.flow_active = True
        await self.observer.on_assigned(frozenset(assigned), generation_id)

    async def drain(self) -> None:
        """Read for ever."""
        while True:
            await self._drain_some()

    async def hand_on(self) -> None:
        """What the agent does."""
        while True:
            await self.observer.take(await self.waiting.get())


class LogBounds:
    """streams.transport.log_bounds.LogBounds, over the network."""

    def __init__(self, log: Log, network: Network, clock: Callable[[], float]) -> None:
        self._log = log
        self._network = network
        self._clock = clock
        self._silent_since_s: float | None = None

    @property
    def silent_s(self) -> float:
        since_s = self._silent_since_s
        return 0.0 if since_s is None else self._clock() - since_s

    async def log_ends(self, tps: Iterable[TopicPartition]) -> Offsets:
        wanted = list(tps)
        return await self._answered("ends", lambda: {tp: self._log.of(tp).end for tp in wanted})

    async def log_starts(self, tps: Iterable[TopicPartition]) -> Offsets:
        return await self._answered("starts", lambda: dict.fromkeys(tps, 0))

    async def record_from(self, tp: TopicPartition, offset: int) -> Record | None:
        def found() -> Record | None:
            stored = self._log.of(tp).stored[offset]
            return stored.record

        return await self._answered("record", found)

    async def _answered(self, what: str, question: Callable[[], _T]) -> _T:
        asked_s = self._clock()
        try:
            answer = await self._network.ask(what, question)
        except NoAnswer as error:
            if self._silent_since_s is None:
                self._silent_since_s = asked_s
            raise BrokerUnavailable("no answer") from error
        self._silent_since_s = None
        return answer


class SimulatedLedger:
    """streams.state.ledger.Ledger: one producer's transactions, each step of them a request."""

    def __init__(self, store: "Store", partition: int) -> None:
        self._store = store
        self._partition = partition
        self._producer = (f"app-{partition}", 0)
        self._is_ready = True

    async def fence(self, may_fence: Callable[[], Awaitable[None]]) -> None:
        name = self._producer[0]
        try:
            epoch = await self._asked("fence", lambda: self._log.init(name), may_fence)
            self._producer = (name, epoch)
        except NoAnswer as error:
            raise LedgerError("the producer could not start") from error

    async def write(self, page: Page) -> Written:
        # As aiokafka's: after a failure there is no further transaction.
        assert self._is_ready, "invalid state transition: a transaction was left before its end"
        self._is_ready = False
        changelog = [Record(0, -1, key, value, ()) for key, value in page.changelog]
        try:
            for topic, records in page.outputs.items():
                await self._send(topic, records)
            sent_s = self._store.monotonic_s()
            log_append_ms = await self._send(self._store.changelog_topic, changelog)
            answered_s = self._store.monotonic_s()
            await asyncio.shield(asyncio.create_task(self._commit()))
        except Lost as error:
            raise Fenced(f"partition {self._partition}") from error
        except NoAnswer as error:
            raise LedgerError(f"partition {self._partition}: {error}") from error
        return Written(log_append_ms, sent_s, answered_s)

    async def close(self) -> None:
        await asyncio.sleep(0)

    async def _commit(self) -> None:
        await self._asked("commit", lambda: self._log.end(*self._producer))
        self._is_ready = True

    @property
    def _log(self) -> Log:
        return self._store.log

    async def _send(self, topic: str, records: list[Record]) -> int:
        tp = TopicPartition(topic, self._partition)
        half = len(records) // 2 if len(records) > 4 else 0
        parts = [part for part in (records[:half], records[half:]) if part]
        told_ms = [
            await self._asked(
                f"send {topic}", lambda part=part: self._log.send(self._producer, tp, part)
            )
            for part in parts
        ]
        return told_ms[-1]

    async def _asked(
        self,
        what: str,
        request: Callable[[], _T],
        may_ask: Callable[[], Awaitable[None]] | None = None,
    ) -> _T:
        """Each request is carried out once, as sequence numbers and epochs see to."""
        done: list[_T] = []

        def once() -> _T:
            if not done:
                done.append(request())
            return done[0]

        tries_left = self._store.tries()
        while True:
            if may_ask is not None:
                await may_ask()
            try:
                return await self._store.network.ask(f"{what} {self._partition}", once)
            except Busy:
                await asyncio.sleep(RETRY_S)
            except NoAnswer:
                tries_left -= 1
                if tries_left == 0:
                    raise


@dataclass(frozen=True, slots=True)
class Store:
    """streams.state.store.KafkaStore."""

    log: Log
    network: Network
    monotonic_s: Callable[[], float]
    tries: Callable[[], int]  # How often a producer sends a request, before it gives up.
    changelog_topic: str = "changelog"

    def changelog(self, partition: int) -> TopicPartition:
        return TopicPartition(self.changelog_topic, partition)

    def ledger(self, partition: int) -> SimulatedLedger:
        return SimulatedLedger(self, partition)

    async def restore(self, partition: int, *, end_offset: int, on_progress: OnProgress) -> State:
        state, log, position = State(), self.log.of(self.changelog(partition)), 0
        while position < end_offset:
            before = position
            try:
                position, records = await self.network.ask(
                    f"restore {partition}", lambda at=before: log.read(at, RESTORE_RECORDS)
                )
            except NoAnswer as error:
                raise RestoreStalled(f"partition {partition}") from error
            for record in records:
                state.take(record.key, record.value)
            on_progress(position, end_offset)
            if position == before:
                await asyncio.sleep(RETRY_S)
        return state
