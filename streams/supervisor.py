"""Several worker processes on one machine, as one: started, kept running and stopped together.

The processes are ordinary members of the consumer group and share the partitions like workers on
several machines. The supervisor knows nothing of Kafka: it starts them, asks them how they are,
starts again what ended, and has their one web port.
"""

import asyncio
import signal
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog

from streams.channel import Failed, Job, Report
from streams.child import Child
from streams.failures import WrongUse
from streams.restarts import ENDS_MAX, WINDOW_S, Restarts
from streams.web.processes import ProcessState, render
from streams.web.server import Pages, WebServer

WRONG_USE: Final = 2  # The status of wrong use or configuration.
STOP_TIMEOUT_S: Final = 9.5  # A worker leaves within 9 s by itself, or gives up.
KILL_TIMEOUT_S: Final = 5.0  # Only a system that hangs takes longer.
LOADED_TIMEOUT_S: Final = 15.0  # Until the first to have loaded waits for the others no more.
ASK_EVERY_S: Final = 0.5
ANSWER_TIMEOUT_S: Final = 5.0
SILENCE_SHOWN_S: Final = 2.0
STUCK_S: Final = 60.0  # Without an answer for so long, a process is not alive.

log = structlog.get_logger(__name__)


class Stopped(Exception):
    """The worker processes ended for this reason."""


@dataclass(slots=True)
class Keeper:
    """What is known of one process, over all its starts."""

    number: int
    restarts: Restarts = field(default_factory=Restarts)
    child: Child | None = None
    report: Report | None = None
    answered_s: float = 0.0  # Or started, where it has not answered yet.
    trouble: str = ""  # While it does not run.

    def unready(self, now_s: float) -> list[str]:
        """What speaks against it, line by line."""
        silent_s = now_s - self.answered_s
        if self.child is None:
            reasons = [self.trouble or "starting"]
        elif self.report is None:
            reasons = ["starting"]
        elif silent_s >= SILENCE_SHOWN_S:
            reasons = [f"has not answered for {silent_s:.0f} s"]
        else:
            reasons = self.report.unready
        return [f"process {self.number}: {reason}" for reason in reasons]

    def stuck(self, now_s: float) -> list[str]:
        """Why it cannot be called alive; a process that is started again can."""
        silent_s = now_s - self.answered_s
        if self.child is None or silent_s < STUCK_S:
            return []
        return [f"process {self.number} has not answered for {silent_s:.0f} s"]

    async def state(self) -> ProcessState:
        """For the metrics, asked now."""
        report = None
        if self.child is not None and self.report is not None:
            report = await self.child.ask(with_metrics=True, timeout_s=ANSWER_TIMEOUT_S)
        metrics = None if report is None else report.metrics
        return ProcessState(self.number, self.restarts.total, metrics)


class Supervisor:
    """Runs a job in several processes; made inside a running loop."""

    def __init__(self, job: Job) -> None:
        # The web port is the supervisor's.
        self._settings = job.settings
        self._job = replace(job, settings=job.settings.model_copy(update={"web_port": 0}))
        self._keepers = [Keeper(number + 1) for number in range(job.settings.processes)]
        self._stopping = asyncio.Event()
        self._loaded = 0
        self._all_loaded = asyncio.Event()
        self._idle_is_said = False

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set, or what ended cannot go on: then Stopped, or WrongUse."""
        settings = self._settings
        pages = Pages(self._unready, self._metrics, self._stuck)
        async with WebServer(pages, host=settings.web_host, port=settings.web_port):
            log.info("starting processes", processes=len(self._keepers))
            keeping = [asyncio.create_task(self._keep(keeper)) for keeper in self._keepers]
            told = asyncio.create_task(stop.wait())
            await asyncio.wait({told, *keeping}, return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            errors = [error for it in keeping if it.done() and (error := it.exception())]
            await self._stop(keeping)
        errors += [error for it in keeping if it.done() and (error := it.exception())]
        if errors:
            raise errors[0]

    async def _stop(self, keeping: list[asyncio.Task[None]]) -> None:
        self._stopping.set()
        self._signal(signal.SIGTERM)
        _, late = await asyncio.wait(keeping, timeout=STOP_TIMEOUT_S)
        if late:
            log.error("processes did not stop in time, ending them", limit_s=STOP_TIMEOUT_S)
            self._signal(signal.SIGKILL)
            await asyncio.wait(late, timeout=KILL_TIMEOUT_S)

    def _signal(self, number: signal.Signals) -> None:
        for keeper in self._keepers:
            if keeper.child is not None:
                keeper.child.send_signal(number)

    async def _keep(self, keeper: Keeper) -> None:
        """Start the process again and again; returns once it is told to stop."""
        while not self._stopping.is_set():
            child = await Child.start()
            status = await self._run(keeper, child)
            if self._stopping.is_set():
                _check_stopped(keeper, child, status)
                return
            if child.failed is None:
                await self._dismiss(keeper)
            elif child.failed.is_final:
                raise _reason(child.failed)
            await self._pause(keeper, child, status)

    async def _run(self, keeper: Keeper, child: Child) -> int:
        keeper.child, keeper.report, keeper.answered_s = child, None, time.monotonic()
        if self._stopping.is_set():  # Told so while it was made.
            child.send_signal(signal.SIGTERM)
        tending = asyncio.create_task(self._tend(keeper, child))
        try:
            return await child.wait()
        finally:
            keeper.child = None
            tending.cancel()
            await asyncio.gather(tending, return_exceptions=True)

    async def _dismiss(self, dead: Keeper) -> None:
        """Let the group know of a process that could not leave it: until its session is over, it
        would wait for that one whenever another member joins."""
        member = "" if dead.report is None else dead.report.member
        others = (it for it in self._keepers if it.child and it.report and it.report.member)
        other = next(others, None)
        if member and other is not None and other.child is not None:
            await other.child.ask(timeout_s=ANSWER_TIMEOUT_S, dead_member=member)

    async def _pause(self, keeper: Keeper, child: Child, status: int) -> None:
        """Until it is to be started again, which is not for ever; cut short where all stop."""
        why = _words(child, status)
        delay_s = keeper.restarts.delay_s(time.monotonic())
        if delay_s is None:
            raise Stopped(
                f"Process {keeper.number} ended {ENDS_MAX + 1} times within {WINDOW_S:.0f} s, the "
                f"last time so: {why}"
            )
        keeper.trouble = f"ended and starts again: {why}"
        log.warning(
            "process ended, starting it again",
            process=keeper.number,
            pid=child.pid,
            status=status,
            why=why,
            in_s=delay_s,
        )
        await _within(delay_s, self._stopping.wait())

    async def _tend(self, keeper: Keeper, child: Child) -> None:
        """Give the process its job, then ask how it is."""
        await child.loaded.wait()
        self._loaded += 1
        if self._loaded >= len(self._keepers):
            self._all_loaded.set()
        # They join the group at once: one after another, each would move partitions again.
        await _within(LOADED_TIMEOUT_S, self._all_loaded.wait())
        child.begin(replace(self._job, number=keeper.number))
        while True:
            report = await child.ask(timeout_s=ANSWER_TIMEOUT_S)
            if report is not None:
                keeper.report, keeper.answered_s = report, time.monotonic()
                self._say_idle(report.partitions)
            await asyncio.sleep(ASK_EVERY_S)

    def _say_idle(self, partitions: int | None) -> None:
        processes = len(self._keepers)
        if partitions is None or processes <= partitions or self._idle_is_said:
            return
        self._idle_is_said = True
        log.warning(
            "more processes than partitions, the rest have nothing to do",
            processes=processes,
            partitions=partitions,
        )

    def _unready(self) -> list[str]:
        now_s = time.monotonic()
        return [reason for keeper in self._keepers for reason in keeper.unready(now_s)]

    def _stuck(self) -> list[str]:
        now_s = time.monotonic()
        return [reason for keeper in self._keepers for reason in keeper.stuck(now_s)]

    async def _metrics(self) -> bytes:
        return render(await asyncio.gather(*(keeper.state() for keeper in self._keepers)))


def _reason(failed: Failed) -> Exception:
    return WrongUse(failed.text) if failed.status == WRONG_USE else Stopped(failed.text)


def _words(child: Child, status: int) -> str:
    """Why it ended, as far as can be known."""
    if child.failed is not None:
        return child.failed.text
    if status < 0:
        return f"Signal {signal.Signals(-status).name} ended it."
    return f"It ended with status {status}."


def _check_stopped(keeper: Keeper, child: Child, status: int) -> None:
    """A process that had not begun yet is ended by the signal itself."""
    if status not in (0, -signal.SIGTERM):
        raise Stopped(
            f"Process {keeper.number} did not stop in order, starting it again is right. "
            f"{_words(child, status)}"
        )


async def _within(timeout_s: float, waiting: Coroutine[Any, Any, Any]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await waiting
