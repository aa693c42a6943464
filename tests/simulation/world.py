"""A whole run of one seed: broker, workers, upstream, faults; then quiet, and the audit."""

import asyncio
import random
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final
from unittest.mock import patch

import structlog
from aiokafka import TopicPartition

from streams import charge, prover
from streams import worker as worker_module
from streams.transport import consumer
from tests.property.feeder import ALERTS
from tests.property.values import TOPICS
from tests.simulation.auditor import Auditor, Findings
from tests.simulation.clock import Phase, Process, VirtualLoop, virtual_time
from tests.simulation.group import Group
from tests.simulation.log import STUCK_S_MAX, Faults, Log
from tests.simulation.network import CALM, Network, Weather
from tests.simulation.node import GRACE_MS, Node, Site
from tests.simulation.traffic import TERMS, Traffic

HANG_S: Final = 40.0  # After the last fault everything is decided within this time.
TRANSACTION_S: Final = 3.0
LEADER_AHEAD_MS_MAX: Final = 150
TOMBSTONES_MS: Final = 4_000
# Up to half of the grace ahead is allowed for, and what a request takes; the last two are not.
SKEWS_MS: Final = (0, 0, 0, GRACE_MS // 2 - 50, -300, -1_500, GRACE_MS * 2, 20_000)


@dataclass(frozen=True)
class Outcome:
    """What a seed came to; the same for the same seed."""

    findings: Findings
    trace: list[tuple[float, str, str, str]]
    took_s: float  # Virtual.
    log: Log


def simulate(seed: int, faults: Faults | None = None) -> Outcome:
    """Run one seed to its end."""
    loop = VirtualLoop()
    with ExitStack() as stack:
        stack.callback(loop.close)
        stack.enter_context(virtual_time(loop))
        # Looks that find nothing cost most of the run: look less often.
        stack.enter_context(patch.object(prover, "LOOK_MAX_S", 0.2))
        stack.enter_context(patch.object(consumer, "IDLE_S", 0.1))
        stack.enter_context(patch.object(charge, "LOOK_S", 0.25))
        # Shorter, as the session and the rebalance are.
        stack.enter_context(patch.object(worker_module, "LAST_CHECKPOINT_TIMEOUT_S", 1.0))
        world = World(loop, seed, faults or Faults())
        stack.enter_context(structlog.testing.capture_logs())
        return loop.run_until_complete(world.run())


class World:
    """The parts, and what goes on among them."""

    def __init__(self, loop: VirtualLoop, seed: int, faults: Faults) -> None:
        rng = random.Random(seed)
        partitions = rng.choice((1, 2, 2, 3))
        network = Network(loop, rng)
        network.kill, network.freeze = self._kill, self._freeze
        log, group = Log(loop, rng, faults), Group(loop, rng, partitions)
        self._site = Site(loop, rng, log, group, network, partitions, [])
        self._rng = rng
        self._loop = loop
        self._log = log
        self._network = network
        self._nodes: dict[Process, Node] = {}
        self._live: dict[int, Node] = {}
        self._is_over = False
        self._skews_ms: tuple[int, ...] = SKEWS_MS

    async def run(self) -> Outcome:
        """Faults until upstream is done, then quiet; compared when all is there, or too late."""
        rng, loop = self._rng, self._loop
        traffic = Traffic(loop, self._log, rng)
        traffic.plan(self._site.partitions)
        beside = [asyncio.create_task(self._tick())]
        numbers = range(rng.choice((1, 2, 2, 3)))
        beside += [asyncio.create_task(self._keep_running(number)) for number in numbers]
        self._network.weather = self._draw_weather()
        await self._make_trouble(until_s=traffic.ends_s + rng.random() * 2)
        self._end_trouble()
        await asyncio.sleep(STUCK_S_MAX + 0.5)  # So that all that was written can be read.
        auditor = Auditor(self._log, TERMS, self._site.partitions)
        is_settled = await self._settled(auditor)
        took_s = loop.now_s
        await asyncio.sleep(1.5)
        findings = auditor.findings()
        findings.hung = not is_settled
        await self._sweep(beside)
        findings.broken = [*map(repr, self._site.broken), *map(repr, loop.errors)]
        return Outcome(findings, self._network.trace, took_s, self._log)

    # Workers.

    async def _keep_running(self, number: int) -> None:
        rng = self._rng
        run = 0
        while not self._is_over:
            run += 1
            node = Node(
                self._site,
                f"worker-{number}.{run}",
                skew_ms=rng.choice(self._skews_ms),
                interval_s=rng.choice((0.3, 1.0, 3.0)),
            )
            self._nodes[node.process] = self._live[number] = node
            node.start()
            await node.ended.wait()
            await asyncio.sleep(rng.random())

    def _kill(self, process: Process) -> None:
        if process.phase in (Phase.RUNNING, Phase.FROZEN) and not self._is_over:
            self._network.note(process.name, "is killed")
            process.phase = Phase.DEAD
            self._nodes[process].ended.set()

    def _freeze(self, process: Process) -> None:
        if process.phase is not Phase.RUNNING or self._is_over:
            return
        self._network.note(process.name, "is frozen")
        process.phase = Phase.FROZEN
        self._loop.outside(self._rng.choice((0.3, 1.0, 3.0, 5.0)), self._thaw, process)

    def _thaw(self, process: Process) -> None:
        if process.phase is Phase.FROZEN:
            self._network.note(process.name, "goes on")
            self._loop.thaw(process)

    # Trouble.

    def _draw_weather(self) -> Weather:
        """Each seed has its own mixture, so that no fault hides another."""
        rng = self._rng
        return Weather(
            slow=rng.choice((0, 0.05, 0.3)),
            slow_s=rng.choice((0.05, 0.5, 3.0)),
            lost=rng.choice((0, 0, 0.01, 0.05)),
            unanswered=rng.choice((0, 0, 0.01, 0.05)),
            deadly=rng.choice((0, 0.005, 0.03)),
            freezing=rng.choice((0, 0, 0.005, 0.02)),
        )

    async def _make_trouble(self, until_s: float) -> None:
        rng = self._rng
        kinds = (self._kill_one, self._freeze_one, self._stop_one, self._silence)
        kinds += (self._rebalance, self._compact, self._move_leader, self._set_clock)
        enabled = rng.sample(kinds, rng.randint(1, len(kinds)))
        pause_s = rng.choice((0.4, 1.5, 4.0))
        while self._loop.now_s < until_s:
            await asyncio.sleep(min(rng.random() * pause_s, until_s - self._loop.now_s))
            rng.choice(enabled)()

    def _end_trouble(self) -> None:
        self._network.note("world", "is quiet")
        self._network.weather = CALM
        self._network.silent_until_s = 0.0
        for process, node in self._nodes.items():
            node.skew_ms = 0
            self._thaw(process)
        self._skews_ms = (0,)

    def _kill_one(self) -> None:
        self._kill(self._one().process)

    def _freeze_one(self) -> None:
        self._freeze(self._one().process)

    def _stop_one(self) -> None:
        self._one().told_to_stop.set()

    def _silence(self) -> None:
        self._network.silent_until_s = self._loop.now_s + self._rng.random() * 1.5

    def _rebalance(self) -> None:
        self._site.group.rebalance()

    def _compact(self) -> None:
        log = self._log.of(TopicPartition("changelog", self._rng.randrange(self._site.partitions)))
        log.compact(self._rng.randint(0, log.end), self._loop.now_ms - TOMBSTONES_MS)

    def _move_leader(self) -> None:
        tp = TopicPartition(
            self._rng.choice((*TOPICS, ALERTS)), self._rng.randrange(self._site.partitions)
        )
        self._log.of(tp).ahead_ms = self._rng.randint(0, LEADER_AHEAD_MS_MAX)

    def _set_clock(self) -> None:
        self._one().skew_ms = self._rng.choice(SKEWS_MS)

    def _one(self) -> Node:
        return self._live[self._rng.choice(sorted(self._live))]

    # What goes on all the time, and how it ends.

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            self._site.group.look()
            self._log.expire(TRANSACTION_S)

    async def _settled(self, auditor: Auditor) -> bool:
        until_s = self._loop.now_s + HANG_S
        while self._loop.now_s < until_s:
            if auditor.is_settled():
                return True
            await asyncio.sleep(0.4)
        return False

    async def _sweep(self, beside: list["asyncio.Task[None]"]) -> None:
        self._is_over = True
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        for process in self._nodes:
            await self._loop.sweep(process)
