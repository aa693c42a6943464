"""A demo under way: the traffic is sent, the real worker watches it, what it tells is gathered."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer, TopicPartition

from schemas.alerts import read_alert
from schemas.deadletters import read_letter
from schemas.incidents import Incident, Scope, read_incident
from schemas.records import Record
from streams.app import watch
from streams.demo.stage import Stage
from streams.demo.traffic import BROKEN_PROVIDER, DEAD_LETTER, Plan, traffic
from streams.demo.truth import Truth, Verdict
from streams.log_reader import LogReader
from streams.rulebook import load_policy
from streams.site import wall_ms

IN_FLIGHT_MAX: Final = 1_000
WORKER_STOP_TIMEOUT_S: Final = 15.0
# How long the worker may take for the last verdicts, after the grace of the end of a topic.
SETTLE_S: Final = 1.0
SETTLE_MAX_S: Final = 15.0
SETTLE_LOOK_S: Final = 0.1


class Audience(Protocol):
    """Who is told what goes on."""

    def note(self, sentence: str) -> None: ...

    def alert(self, value: dict[str, Any]) -> None: ...

    def incident(self, incident: Incident) -> None: ...

    def dead_letter(self, order_id: str, problems: list[dict[str, str]]) -> None: ...


class WorkerFailed(Exception):
    """The worker ended before it was told to."""


@dataclass(slots=True)
class Performance:
    """One run; after it, what was sent and what was told."""

    stage: Stage
    plan: Plan
    audience: Audience
    truth: Truth = field(default_factory=Truth)
    told: Counter[Verdict] = field(default_factory=Counter)
    incidents: list[Incident] = field(default_factory=list)
    slip_ms: int = 0  # How far the traffic fell behind its plan, at most.
    is_complete: bool = False  # All traffic was sent, and every verdict was due.
    _seen: set[tuple[TopicPartition, int]] = field(default_factory=set)

    @property
    def outage(self) -> Incident | None:
        """What was told last of the provider that was broken; else of all orders, where the other
        faults of the run, which are many for its few orders, were taken for the same. None where
        the run was too short for an outage."""
        if not self.plan.outage_ms:
            return None
        own = [it for it in self.incidents if it.scope.provider == BROKEN_PROVIDER]
        wide = [it for it in self.incidents if it.scope == Scope()]
        stopped = [it for it in own if it.cause == "system_failure"]
        slowed = [it for it in wide if it.cause in ("system_failure", "network")]
        return next(reversed(stopped or slowed), None)

    @property
    def has_told_all(self) -> bool:
        """Every verdict, and the outage where there was one."""
        is_told = self.outage is not None or not self.plan.outage_ms
        return is_told and self.truth.verdicts <= self.told.keys()

    async def run(self, stop: asyncio.Event) -> None:
        """To the end of the plan, or until `stop` is set; any failure is raised."""
        async with self._worker() as worker, self._readers() as readers:
            sending = asyncio.create_task(self._send_and_settle())
            stopped = asyncio.create_task(stop.wait())
            ends: set[asyncio.Future[Any]] = {sending, stopped, worker, *readers}
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in (sending, stopped):
                task.cancel()
            await asyncio.wait({sending, stopped})
            if not self.is_complete:
                self.audience.note("The worker is told to stop.")
            for ended in done - {worker}:
                ended.result()
        await self._read_the_rest()

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[asyncio.Task[None]]:
        """The real worker; WorkerFailed at the end if it did not stay."""
        settings = self.stage.settings
        end = asyncio.Event()
        worker = asyncio.create_task(
            watch(settings, load_policy(settings), end, reader_options=self.stage.reader_options)
        )
        try:
            yield worker
        finally:
            left_early = worker.done()
            end.set()
            await asyncio.wait({worker}, timeout=WORKER_STOP_TIMEOUT_S)
            worker.cancel()
            (failure,) = await asyncio.gather(worker, return_exceptions=True)
        if left_early or failure is not None:
            name = type(failure).__name__
            why = "it ended by itself" if failure is None else f"{name}: {failure}"
            raise WorkerFailed(f"The worker failed: {why}") from failure

    @asynccontextmanager
    async def _readers(self) -> AsyncIterator[list[asyncio.Task[None]]]:
        tasks = [asyncio.create_task(self._read(it, follow=True)) for it in self._outputs()]
        try:
            yield tasks
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _outputs(self) -> tuple[str, str, str]:
        settings = self.stage.settings
        return settings.alerts_topic, settings.dead_letters_topic, settings.incidents_topic

    async def _send_and_settle(self) -> None:
        await self._send()
        self.audience.note("No new payments any more; the last verdicts are awaited.")
        due_in_s = (self.truth.settled_ms - wall_ms() + self.stage.settings.grace_ms) / 1_000
        await asyncio.sleep(max(0.0, due_in_s) + SETTLE_S)
        for _ in range(int(SETTLE_MAX_S / SETTLE_LOOK_S)):
            if self.has_told_all:
                break
            await asyncio.sleep(SETTLE_LOOK_S)
        self.is_complete = True

    async def _send(self) -> None:
        settings = self.stage.settings
        topics = (settings.submitted_topic, settings.returned_topic)
        producer = AIOKafkaProducer(**settings.kafka_client_options(), acks="all")
        await producer.start()
        try:
            in_flight: list[Any] = []
            for event in traffic(self.plan, wall_ms()):
                await self._wait_until(event.due_ms)
                topic = topics[event.side]
                in_flight.append(await producer.send(topic, key=event.key, value=event.value))
                self.truth.note(event)
                if len(in_flight) >= IN_FLIGHT_MAX:
                    await asyncio.gather(*in_flight)
                    in_flight.clear()
            await asyncio.gather(*in_flight)
        finally:
            await producer.stop()

    async def _wait_until(self, due_ms: int) -> None:
        ahead_ms = due_ms - wall_ms()
        self.slip_ms = max(self.slip_ms, -ahead_ms)
        if ahead_ms > 0:
            await asyncio.sleep(ahead_ms / 1_000)

    async def _read_the_rest(self) -> None:
        for topic in self._outputs():
            await self._read(topic, follow=False)

    async def _read(self, topic: str, *, follow: bool) -> None:
        async with LogReader(self.stage.reader_options, topic) as reader:
            async for tp, record in reader.records(from_ms=None, follow=follow):
                self._take(tp, record)

    def _take(self, tp: TopicPartition, record: Record) -> None:
        place = (tp, record.offset)
        if place in self._seen:
            return
        self._seen.add(place)
        if tp.topic == self.stage.settings.alerts_topic:
            value = read_alert(record.value or b"")
            self.told[value["order_id"], value["type"]] += 1
            self.audience.alert(value)
        elif tp.topic == self.stage.settings.incidents_topic:
            self.incidents.append(read_incident(record.value or b""))
            self.audience.incident(self.incidents[-1])
        else:
            self._take_letter(tp.partition, record)

    def _take_letter(self, partition: int, record: Record) -> None:
        letter = read_letter(partition, record)
        if letter is None:  # A marker of one that was sent again.
            return
        order_id = (record.key or b"").decode(errors="replace")
        self.told[order_id, DEAD_LETTER] += 1
        self.audience.dead_letter(order_id, [problem._asdict() for problem in letter.problems])
