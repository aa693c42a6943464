"""The one owner of incidents: the worker that has partition 0 of the inputs, and nobody else.

The group gives that partition to one member, so nothing else has to be agreed on. Who takes over
fences with a transactional id of its own (`<app-id>-incidents`), restores, and reads `order-stats`
on from where the state says; a former owner that still runs can write nothing any more.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from streams.charge import Charge
from streams.failures import words
from streams.incidents.keeper import Keeper, Remit, Standing
from streams.incidents.state import IncidentsState
from streams.planned_work import PARTITION, Silences
from streams.state.ledger import Fenced, Ledger, LedgerError
from streams.state.restore import restore_into
from streams.takeover import Broker, Member, prove_membership
from streams.transport.log_bounds import BrokerUnavailable
from streams.transport.reader import Fetched, InputReader
from streams.transport.thread import LostMembership

OWNERS_PARTITION: Final = 0
LOOK_S: Final = 0.25
CHECKPOINT_S: Final = 60.0  # While nothing is told; what is told is written at once.
IDLE_CHECKPOINT_S: Final = 3_600.0  # While nothing but heartbeats is read.
FETCH_MAX_WAIT_MS: Final = 500  # Of counts, which come a few seconds late anyway.
TAKEN_TIMEOUT_S: Final = 2.0  # A rebalance empties Faust's channels: then it is sent again.
OPENING: Final = 1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Premises:
    """Where the owner reads and writes; `reader_options` are for consumers."""

    client_options: Mapping[str, Any]
    reader_options: Mapping[str, Any]
    stats_topic: str
    silences_topic: str
    changelog_topic: str
    partitions: int  # Of the counts.

    @property
    def silences(self) -> TopicPartition:
        return TopicPartition(self.silences_topic, PARTITION)

    def stats(self) -> list[TopicPartition]:
        """The partitions of the counts."""
        return [TopicPartition(self.stats_topic, number) for number in range(self.partitions)]


@dataclass(slots=True, eq=False)
class StatsBatch:
    """What was read of the counts, on its way through the agent."""

    keeper: Keeper
    fetched: list[Fetched]
    is_taken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Colleague:
    """What the office asks of the worker: partition 0's charge, the assignment's generation, the
    group's member."""

    charge: Callable[[], Charge | None]
    generation: Callable[[], int]
    member: Callable[[], Member]
    on_failed: Callable[[BaseException], None]


@dataclass(slots=True)
class Office:
    """Serves while this worker is the owner; `channel` leads to the agent."""

    premises: Premises
    remit: Remit
    broker: Broker
    colleague: Colleague
    channel: Any
    _lost: Charge | None = None  # Fenced away while it was ours: nothing is taken for it again.
    _keeper: Keeper | None = None  # While this worker is the owner.

    @property
    def standing(self) -> Standing | None:
        """How the incidents stand; None while another worker is their owner."""
        return None if self._keeper is None else self._keeper.standing

    def take(self, batch: StatsBatch) -> None:
        """The agent's hand; a batch that was sent twice is taken once."""
        if batch.is_taken.is_set():
            return
        try:
            for it in batch.fetched:
                batch.keeper.take(it.tp.partition, it.records, it.next_offset)
        except Exception as error:  # Faust would start its agent again, over a half worked state.
            self.colleague.on_failed(error)
            return
        batch.is_taken.set()

    async def run(self) -> None:
        """For ever; any failure but that of another owner is raised, and it may be run again after
        BrokerUnavailable."""
        while True:
            charge = self.colleague.charge()
            if charge is None or charge is self._lost or not charge.opening:
                await asyncio.sleep(LOOK_S)
                continue
            try:
                await self._serve_for(charge)
            except (Fenced, LostMembership) as error:
                self._lost = charge
                log.info("incidents are another worker's", why=str(error))

    async def _serve_for(self, charge: Charge) -> None:
        serving = asyncio.create_task(self._serve())
        try:
            while not serving.done() and self.colleague.charge() is charge:
                await asyncio.wait({serving}, timeout=LOOK_S)
        finally:
            if not serving.done():
                serving.cancel()
            (outcome,) = await asyncio.gather(serving, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome

    async def _serve(self) -> None:
        premises = self.premises
        began_s = time.monotonic()
        ledger = Ledger(
            premises.client_options,
            app_id=self.remit.app_id,
            changelog=premises.changelog_topic,
            partition=0,
            title="incidents",
        )
        reader = InputReader(premises.reader_options, fetch_max_wait_ms=FETCH_MAX_WAIT_MS)
        try:
            await self._fence(ledger)
            keeper = await self._restored()
            await self._start(reader)
            desk = _Desk(self, ledger, reader, keeper)
            await desk.open()
            took_s = round(time.monotonic() - began_s, 3)
            log.info("incidents taken over", took_s=took_s, offsets=keeper.offsets)
            self._keeper = keeper
            await desk.work()
        finally:
            self._keeper = None
            await reader.stop()
            await ledger.close()

    async def _fence(self, ledger: Ledger) -> None:
        try:
            await ledger.fence(self._prove_membership)
        except LedgerError as error:
            if isinstance(error.__cause__, KafkaConnectionError):  # It may be back soon.
                raise BrokerUnavailable(str(error)) from error
            raise

    async def _start(self, reader: InputReader) -> None:
        try:
            await reader.start()
        except KafkaError as error:
            raise BrokerUnavailable(f"The counts cannot be read: {words(error)}.") from error

    async def _prove_membership(self) -> None:
        colleague = self.colleague
        await prove_membership(colleague.member(), colleague.generation(), "the incidents")

    async def _restored(self) -> Keeper:
        premises = self.premises
        changelog = TopicPartition(premises.changelog_topic, 0)
        end = (await self.broker.log_ends([changelog]))[changelog]
        state = IncidentsState()
        await restore_into(
            state,
            premises.reader_options,
            changelog,
            end_offset=end,
            note=lambda _read_to, _end: None,
        )
        return Keeper(self.remit, state.kept())


@dataclass(slots=True)
class _Desk:
    """One term of service: reads, hands over, writes."""

    office: Office
    ledger: Ledger
    reader: InputReader
    keeper: Keeper
    silences: Silences = field(default_factory=Silences)
    known_to: int = 0  # The offset to which the silences are read.
    written_s: float = field(default_factory=time.monotonic)

    async def open(self) -> None:
        """Begin where the state says, and with all silences that there are."""
        premises, broker = self.office.premises, self.office.broker
        stats, silences = premises.stats(), premises.silences
        starts = await broker.log_starts([*stats, silences])
        ends = await broker.log_ends(stats)
        offsets = {tp: self._start(tp, starts[tp], ends[tp]) for tp in stats}
        self.keeper.offsets.update({tp.partition: at for tp, at in offsets.items()})
        self.known_to = starts[silences]
        self.reader.assign([*stats, silences])
        await self.reader.open({**offsets, silences: self.known_to}, OPENING)

    def _start(self, tp: TopicPartition, first: int, end: int) -> int:
        at = self.keeper.offsets.get(tp.partition, first)
        if first <= at <= end:
            return at
        log.error(
            "counts are missing, going on with those that are there",
            topic=tp.topic,
            partition=tp.partition,
            expected=at,
            first=first,
            end=end,
        )
        return first

    async def work(self) -> None:
        """Until cancelled; Fenced or LedgerError ends it."""
        premises = self.office.premises
        wanted = dict.fromkeys([*premises.stats(), premises.silences], OPENING)
        while True:
            fetched = await self.reader.fetch(wanted)
            self._take_silences(fetched)
            stats = [it for it in fetched if it.tp.topic == premises.stats_topic]
            if stats:
                await self._know_silences()
                await self._hand_over(StatsBatch(self.keeper, stats))
                await self._look_for_absent()
            pause_s = CHECKPOINT_S if self.keeper.has_counts else IDLE_CHECKPOINT_S
            is_due = time.monotonic() - self.written_s >= pause_s
            if self.keeper.has_told or (is_due and stats):
                await self.ledger.write(self.keeper.page())
                self.written_s = time.monotonic()

    def _take_silences(self, fetched: list[Fetched]) -> None:
        its = [it for it in fetched if it.tp == self.office.premises.silences]
        for it in its:
            self.known_to = it.next_offset
            for record in it.records:
                self.silences.take(record)
        if its:
            self.keeper.silence(self.silences.all())

    async def _know_silences(self) -> None:
        """Those that were said before the counts were read are known before these are worked."""
        silences = self.office.premises.silences
        end = None
        while end is None:
            try:
                end = (await self.office.broker.log_ends([silences])).get(silences)
            except BrokerUnavailable:  # Said, and limited, by who keeps asking.
                await asyncio.sleep(LOOK_S)
        while self.known_to < end:
            self._take_silences(await self.reader.fetch({silences: OPENING}))

    async def _look_for_absent(self) -> None:
        """Of who was not heard for long: whether its log ends where it was read to."""
        unheard = self.keeper.unheard()
        if not unheard:
            return
        topic = self.office.premises.stats_topic
        tps = {TopicPartition(topic, it): number for it, number in unheard.items()}
        try:
            ends = await self.office.broker.log_ends(tps)
        except BrokerUnavailable:  # Asked again with the next counts.
            return
        for tp, end in ends.items():
            if self.keeper.offsets.get(tp.partition) == end:
                self.keeper.note_absent(tp.partition, tps[tp])

    async def _hand_over(self, batch: StatsBatch) -> None:
        while not batch.is_taken.is_set():
            await self.office.channel.send(value=batch)
            try:
                async with asyncio.timeout(TAKEN_TIMEOUT_S):
                    await batch.is_taken.wait()
            except TimeoutError:
                continue
