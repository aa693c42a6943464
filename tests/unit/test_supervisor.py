"""The supervisor of several worker processes: real ones, which find no broker."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession

from streams import supervisor
from streams.channel import Failed, Job, Report
from streams.child import Child
from streams.core.rules import Policy, single_rule
from streams.failures import WrongUse
from streams.settings import Settings
from streams.shift import failure_of
from streams.state.header import StateError
from streams.supervisor import Keeper, Stopped, Supervisor
from streams.transport.consumer import ReadFailed
from tests.broker.process import free_port

PROCESSES = 2
READY_TIMEOUT_S = 30.0


def job(**more: Any) -> Job:
    """For processes whose broker is not there, for which they wait a minute."""
    settings = Settings(
        bootstrap_servers=f"127.0.0.1:{free_port()}",
        web_port=more.pop("web_port", free_port()),
        processes=PROCESSES,
        log_format="json",
        **more,
    )
    return Job(0, settings, Policy(single_rule(30_000)).text(), accept_gap=False)


class Run:
    """A supervisor that runs in this loop."""

    def __init__(self, job: Job) -> None:
        self.stop = asyncio.Event()
        self.supervisor = Supervisor(job)
        self.task = asyncio.create_task(self.supervisor.run(self.stop))
        self._web = f"http://127.0.0.1:{job.settings.web_port}"

    async def page(self, path: str) -> tuple[int, str]:
        async with ClientSession() as session, session.get(self._web + path) as answer:
            return answer.status, await answer.text()

    async def wait_for(self, found: Callable[[], object]) -> None:
        until = time.monotonic() + READY_TIMEOUT_S
        while not found():
            assert not self.task.done(), self.task
            assert time.monotonic() < until
            await asyncio.sleep(0.05)

    async def wait_for_reports(self) -> None:
        """All processes have their job, and have said how they are."""
        await self.wait_for(lambda: all(keeper.report for keeper in self.keepers))

    @property
    def keepers(self) -> list[Keeper]:
        return self.supervisor._keepers

    def pids(self) -> list[int]:
        return [keeper.child.pid for keeper in self.keepers if keeper.child is not None]


def are_gone(pids: list[int]) -> bool:
    """They were waited for, so the system knows nothing of them any more."""
    for pid in pids:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        return False
    return True


async def test_what_speaks_against_each_process_stands_on_one_page() -> None:
    its = job()
    run = Run(its)
    await run.wait_for(run.pids)
    early = await run.page("/readyz")
    await run.wait_for_reports()
    page, alive, metrics = [await run.page(f"/{it}") for it in ("readyz", "livez", "metrics")]
    pids = run.pids()

    run.stop.set()
    await run.task

    at = its.settings.bootstrap_servers
    assert early == (503, "process 1: starting\nprocess 2: starting\n")
    assert page == (
        503,
        f"process 1: connecting to the broker at {at}\n"
        f"process 2: connecting to the broker at {at}\n",
    )
    assert alive == (200, "alive\n")
    assert 'returnwatch_process_up{process="2"} 1.0' in metrics[1]
    assert len(pids) == PROCESSES
    assert are_gone(pids)


async def test_told_to_stop_before_they_have_loaded_all_end_at_once() -> None:
    run = Run(job(web_port=0))
    await run.wait_for(lambda: len(run.pids()) == PROCESSES)
    pids = run.pids()

    run.stop.set()
    await asyncio.wait_for(run.task, 5)

    assert are_gone(pids)


async def test_a_broker_that_none_of_them_finds_is_said_once() -> None:
    run = Run(job(web_port=0, broker_timeout_s=0))

    with pytest.raises(Stopped, match=r"^No broker answers at 127.0.0.1:\d+ .* Tried for \d+ s\.$"):
        await asyncio.wait_for(run.task, READY_TIMEOUT_S)

    assert run.pids() == []
    assert [keeper.restarts.total for keeper in run.keepers] == [0, 0]


async def test_a_process_that_does_not_stop_in_time_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 1.0)
    run = Run(job(web_port=0))
    await run.wait_for_reports()
    pids = run.pids()
    os.kill(pids[1], signal.SIGSTOP)

    run.stop.set()

    with pytest.raises(Stopped, match=r"^Process 2 did not stop in order, .* Signal SIGKILL ended"):
        await asyncio.wait_for(run.task, 10)
    assert are_gone(pids)


async def test_a_process_that_does_not_answer_is_not_ready_and_after_a_while_not_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "STUCK_S", 3.0)
    monkeypatch.setattr(supervisor, "ANSWER_TIMEOUT_S", 0.5)
    run = Run(job())
    await run.wait_for_reports()
    os.kill(run.pids()[0], signal.SIGSTOP)
    await asyncio.sleep(3.2)
    pages = [await run.page(f"/{it}") for it in ("readyz", "livez", "metrics")]
    os.kill(run.pids()[0], signal.SIGCONT)
    await asyncio.sleep(1.0)
    alive = await run.page("/livez")

    run.stop.set()
    await run.task

    assert pages[0][1].startswith("process 1: has not answered for 3 s\nprocess 2: connecting")
    assert pages[1] == (503, "process 1 has not answered for 3 s\n")
    assert 'returnwatch_process_up{process="1"} 0.0' in pages[2][1]
    assert alive == (200, "alive\n")


async def test_a_process_that_ends_at_once_each_time_ends_all_after_a_few_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.restarts.FIRST_DELAY_S", 0.01)
    monkeypatch.setattr("streams.child.PROGRAM", ("-c", "raise SystemExit(3)"))
    run = Run(job(web_port=0))

    with pytest.raises(
        Stopped,
        match=r"^Process \d ended 6 times within 300 s, the last time so: .* with status 3\.$",
    ):
        await asyncio.wait_for(run.task, READY_TIMEOUT_S)

    assert run.pids() == []


async def test_a_process_without_a_supervisor_ends_by_itself() -> None:
    child = await Child.start()
    await asyncio.wait_for(child.loaded.wait(), READY_TIMEOUT_S)

    child._writer.close()

    assert await asyncio.wait_for(child._process.wait(), 5) == 1


def test_what_a_start_would_meet_again_is_final_and_the_rest_is_not() -> None:
    wrong, lost, read = (failure_of(error("Why.")) for error in (WrongUse, StateError, ReadFailed))

    assert wrong == Failed("Why.", status=2, is_final=True)
    assert lost == Failed("Why.", status=1, is_final=True)
    assert read == Failed("Why.", status=1, is_final=False)
    assert failure_of(LookupError("x")).text.startswith("LookupError: x. Where that is shows")


def test_a_process_between_two_starts_is_alive_and_says_why_it_is_not_ready() -> None:
    keeper = Keeper(2, trouble="ended and starts again: Signal SIGKILL ended it.")

    assert keeper.stuck(1_000_000) == []
    assert keeper.unready(1_000_000) == [
        "process 2: ended and starts again: Signal SIGKILL ended it."
    ]


def test_the_password_of_a_job_stands_in_nothing_that_is_printed() -> None:
    its = job(sasl_password="s3cr3t")

    assert "s3cr3t" not in repr(its)
    assert "s3cr3t" not in repr(Report(1, ["x"]))
