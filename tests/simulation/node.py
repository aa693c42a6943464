"""One worker process: the real worker, wired as streams.app does it, on simulated clients."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition

from streams.charge import CHECKPOINTS_PER_S_MAX, Pace, Rhythm
from streams.clock import WorkerClock
from streams.continuity import Continuity
from streams.guards import Holds, PartitionerGuard, TopicGuard
from streams.means import Means
from streams.prover import Prover
from streams.state.ledger import LedgerError
from streams.state.restore import RestoreStalled
from streams.takeover import Terms
from streams.topics import Shape
from streams.transport.log_bounds import BrokerUnavailable
from streams.watch import Duty, Instant
from streams.worker import LostTooOften, Worker
from tests.property.feeder import ALERTS, DEAD_LETTERS
from tests.property.values import TOPICS
from tests.simulation.clients import Consumer, LogBounds, Store
from tests.simulation.clock import Process, VirtualLoop
from tests.simulation.group import Group
from tests.simulation.log import Log
from tests.simulation.membership import Membership
from tests.simulation.network import Network
from tests.simulation.traffic import TERMS

GRACE_MS: Final = 400
EDGE_MS: Final = 2_000
BROKER_TIMEOUT_S: Final = 5.0

# What a fault may end a worker with; a restart is right. Anything else is a bug.
EXPLAINED: Final = (LedgerError, BrokerUnavailable, LostTooOften, RestoreStalled)


@dataclass(frozen=True)
class Site:
    """Where nodes run: the clock, the broker, the way there."""

    loop: VirtualLoop
    rng: random.Random
    log: Log
    group: Group
    network: Network
    partitions: int
    broken: list[BaseException]


class Node:
    """Runs once; `ended` is set when it is gone, however that came."""

    def __init__(self, site: Site, name: str, *, skew_ms: int, interval_s: float) -> None:
        self.skew_ms = skew_ms  # What its wall clock is more than the true one.
        self.process = Process(name)
        self.ended = asyncio.Event()
        self.told_to_stop = asyncio.Event()
        self.worker: Worker | None = None
        self._site = site
        self._interval_s = interval_s

    def start(self) -> None:
        """As a process of its own."""
        self._site.loop.spawn_in(self.process, self._run())

    async def _run(self) -> None:
        site = self._site
        membership = Membership(site.group, site.log, site.network)
        membership.rng = site.rng
        membership.inputs = lambda number: [TopicPartition(topic, number) for topic in TOPICS]
        consumer = Consumer(membership)
        worker = self.worker = Worker(self._means(), lambda: consumer)
        consumer.observer = worker
        worker.start()
        threads = [
            asyncio.create_task(self._sound(part))
            for part in (lambda: membership.run(consumer), consumer.drain, consumer.hand_on)
        ]
        stopped = asyncio.create_task(self.told_to_stop.wait())
        await asyncio.wait({stopped, worker.failed}, return_when=asyncio.FIRST_COMPLETED)
        await self._sound(worker.stop)
        for thread in (*threads, stopped):
            thread.cancel()
        await asyncio.gather(*threads, return_exceptions=True)
        await membership.leave()
        self._note_failure(worker)
        self.ended.set()

    def _note_failure(self, worker: Worker) -> None:
        error = worker.failed.exception() if worker.failed.done() else None
        self._site.network.note(self.process.name, "ends", type(error).__name__)
        if error is not None and not isinstance(error, EXPLAINED):
            self._site.broken.append(error)

    async def _sound(self, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """An error out of here is nobody's but a bug's."""
        try:
            await part()
        except Exception as error:
            self._site.broken.append(error)

    def _means(self) -> Means:
        site = self._site
        duty = Duty("sim", *TOPICS, ALERTS, DEAD_LETTERS, TERMS.policy, self.process.name)
        store: Any = Store(
            site.log,
            site.network,
            site.loop.time,
            tries=lambda: site.rng.choice((1, 3)),
        )
        log_bounds: Any = LogBounds(site.log, site.network, site.loop.time)
        holds = Holds()
        clock = WorkerClock(GRACE_MS / 2, wall_ms=self._wall_ms, monotonic_s=site.loop.time)
        guard = PartitionerGuard(site.partitions, holds, is_accepted=True)
        rhythm = Rhythm(
            interval_s=self._interval_s,
            edge_ms=EDGE_MS + GRACE_MS,
            pace=Pace(CHECKPOINTS_PER_S_MAX),
            instant=lambda: Instant(clock.now_ms()),
            holds=holds,
            clock=clock,
        )
        prover = Prover(log_bounds, grace_ms=GRACE_MS, clock=clock)
        shape = Shape(site.partitions)
        continuity = Continuity(log_bounds.record_from, clock.now_ms, is_gap_accepted=False)
        terms = Terms(duty, store, (shape, shape), "earliest", continuity)
        topics = TopicGuard({}, holds)
        return Means(terms, rhythm, prover, log_bounds, guard, topics, BROKER_TIMEOUT_S)

    def _wall_ms(self) -> int:
        return self._site.loop.now_ms + self.skew_ms
