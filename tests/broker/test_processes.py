"""Several worker processes on one machine, supervised: `returnwatch worker --processes N`."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.transport.thread import SESSION_TIMEOUT_MS
from tests.broker.orders import Desk
from tests.broker.topics import Names, create_topics, cut_off
from tests.broker.worker import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

QUICK = {
    "RETURNWATCH_RETURN_WITHIN_S": "2",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_HOLD_S": "2",
    "RETURNWATCH_REMEMBER_S": "60",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.5",
    "RETURNWATCH_LOG_FORMAT": "json",
}
PARTITIONS = 4
CHILDREN_TIMEOUT_S = 15.0  # For them to be gone; by itself a worker leaves within 9 s.


@pytest.fixture
def env(bootstrap: str, names: Names) -> dict[str, str]:
    create_topics(bootstrap, names.topics(PARTITIONS))
    return names.env(bootstrap, **QUICK)


@pytest.fixture
def desk(bootstrap: str, names: Names) -> Desk:
    return Desk(bootstrap, names)


@pytest.fixture
def start(start_worker: StartWorker) -> Iterator[Callable[..., WorkerProcess]]:
    """Started with so many processes; none of them is left after the test."""
    started: list[WorkerProcess] = []

    def begin(env: dict[str, str], processes: int = 2) -> WorkerProcess:
        started.append(start_worker(env, ("--processes", str(processes))))
        return started[-1]

    yield begin
    for worker in started:
        for child in children_of(worker.process.pid):
            os.kill(child, signal.SIGKILL)


def running(start: Callable[..., WorkerProcess], env: dict[str, str]) -> WorkerProcess:
    """Two processes, both ready."""
    worker = start(env)
    worker.wait_until_ready()
    return worker


def children_of(pid: int) -> list[int]:
    """Of a supervisor that runs, by Linux's own account."""
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except FileNotFoundError:
        return []


def is_there(pid: int) -> bool:
    """A zombie is not: it has ended, and only nobody has asked how."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pids: list[int]) -> None:
    until = time.monotonic() + CHILDREN_TIMEOUT_S
    while any(is_there(pid) for pid in pids):
        assert time.monotonic() < until, pids
        time.sleep(0.05)


def partitions_by_process(worker: WorkerProcess) -> dict[str, set[str]]:
    """Which partitions each process has, as its metrics say."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(worker.page("/metrics")[1]):
        for sample in family.samples:
            if sample.name == "returnwatch_checkpoints_total":
                found.setdefault(sample.labels["process"], set()).add(sample.labels["partition"])
    return found


def wait_until_decided(worker: WorkerProcess) -> None:
    until = time.monotonic() + 30
    while (
        not worker.is_ready()
        or worker.metric("returnwatch_orders", state="open") > 0
        or worker.metric("returnwatch_consumer_lag_records") > 0
    ):
        assert time.monotonic() < until, worker.text()
        time.sleep(0.1)


def wait_for_open(worker: WorkerProcess, orders: int) -> None:
    until = time.monotonic() + 30
    while worker.metric("returnwatch_orders", state="open") < orders:
        assert time.monotonic() < until, worker.text()
        time.sleep(0.1)


def events(worker: WorkerProcess) -> list[dict[str, Any]]:
    """The lines of its log."""
    return [json.loads(line) for line in worker.text().splitlines() if line.startswith("{")]


def takeovers(worker: WorkerProcess) -> list[dict[str, Any]]:
    return [it for it in events(worker) if it["event"] == "partition taken over"]


def complaints(worker: WorkerProcess) -> list[str]:
    """All that it printed besides its log."""
    return [line for line in worker.text().splitlines() if not line.startswith("{")]


def test_two_processes_share_the_partitions_and_tell_each_lost_order_once(
    start: Callable[..., WorkerProcess], env: dict[str, str], desk: Desk
) -> None:
    worker = running(start, env)
    lost = [f"lost-{number}" for number in range(60)]
    answered = [f"fine-{number}" for number in range(60)]

    desk.submit(*lost, *answered)
    desk.answer(*answered)

    desk.wait_for_alerts(60)
    wait_until_decided(worker)
    shares = partitions_by_process(worker)
    assert sorted(map(len, shares.values())) == [2, 2]
    assert set.union(*shares.values()) == {"0", "1", "2", "3"}
    assert desk.told() == sorted(("timed_out", order_id) for order_id in lost)


def test_the_web_port_shows_both_and_each_log_line_says_which_process_it_is_of(
    start_worker: StartWorker, env: dict[str, str], desk: Desk
) -> None:
    worker = start_worker({**env, "RETURNWATCH_PROCESSES": "2"})
    worker.wait_until_ready()
    desk.submit(*(f"open-{number}" for number in range(40)), return_within_ms=60_000)
    wait_for_open(worker, 40)

    each = [worker.metric("returnwatch_orders", state="open", process=it) for it in ("1", "2")]
    assert min(each) > 0
    assert sum(each) == 40
    assert worker.metric("returnwatch_process_up") == 2
    assert worker.metric("returnwatch_process_restarts_total") == 0
    assert worker.page("/livez") == (200, "alive\n")
    assert worker.page("/readyz") == (200, "ready\n")
    assert {it["process"] for it in takeovers(worker)} == {1, 2}


def test_the_partitions_of_a_killed_process_move_on_before_its_session_is_over(
    start: Callable[..., WorkerProcess], env: dict[str, str]
) -> None:
    worker = running(start, env)
    time.sleep(1)  # So that the supervisor has asked them since.
    before = takeovers(worker)

    os.kill(children_of(worker.process.pid)[0], signal.SIGKILL)
    killed = datetime.now(UTC)
    until = time.monotonic() + 20
    while len(after := takeovers(worker)[len(before) :]) < 2:
        assert time.monotonic() < until, worker.text()
        time.sleep(0.05)

    (process,) = {it["process"] for it in after[:2]}
    moved_s = max(
        (datetime.fromisoformat(it["timestamp"]) - killed).total_seconds() for it in after[:2]
    )
    assert process in {1, 2}
    assert moved_s < SESSION_TIMEOUT_MS / 1_000 - 1


def test_a_killed_process_is_started_again_and_the_verdicts_are_right(
    start: Callable[..., WorkerProcess], env: dict[str, str], desk: Desk
) -> None:
    worker = running(start, env)
    lost = [f"lost-{number}" for number in range(60)]
    desk.submit(*lost[:30])
    time.sleep(0.7)

    before = children_of(worker.process.pid)
    os.kill(before[0], signal.SIGKILL)
    time.sleep(0.7)
    page = worker.page("/readyz")
    desk.submit(*lost[30:])
    desk.wait_for_alerts(60)
    wait_until_decided(worker)

    after = children_of(worker.process.pid)
    assert page[0] == 503
    assert re.search(r"^process [12]: ended and starts again: Signal SIGKILL ended it", page[1])
    assert len(after) == 2
    assert before[0] not in after
    assert before[1] in after
    assert worker.metric("returnwatch_process_restarts_total") == 1
    assert desk.told() == sorted(("timed_out", order_id) for order_id in lost)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda it: it.name)
def test_told_to_stop_it_writes_a_last_checkpoint_of_all_and_ends_with_status_0(
    start: Callable[..., WorkerProcess],
    env: dict[str, str],
    desk: Desk,
    number: signal.Signals,
) -> None:
    rarely = {**env, "RETURNWATCH_CHECKPOINT_INTERVAL_S": "3600"}
    worker = running(start, rarely)
    open_ids = [f"open-{number}" for number in range(40)]
    desk.submit(*open_ids, return_within_ms=60_000)
    wait_for_open(worker, 40)
    children = children_of(worker.process.pid)

    began_s = time.monotonic()
    worker.process.signal(number)  # To the whole group, as a terminal does.
    status = worker.wait_for_end()
    took_s = time.monotonic() - began_s

    assert status == 0, worker.text()
    assert took_s < 10
    assert not any(map(is_there, children))
    assert complaints(worker) == []
    said = [(it.get("process"), it["event"]) for it in events(worker)]
    assert {(1, "stopped"), (2, "stopped"), (None, "stopped")} <= set(said)
    worker.start()
    worker.wait_until_ready()
    restored = {it["partition"]: it["orders"] for it in takeovers(worker)}  # The last time of each.
    assert sum(restored.values()) == 40


def test_wrong_configuration_is_one_sentence_and_its_status(
    start: Callable[..., WorkerProcess], env: dict[str, str]
) -> None:
    worker = start({**env, "RETURNWATCH_GRACE_S": "soon"})

    assert worker.wait_for_end() == 2
    (sentence,) = complaints(worker)
    assert sentence.startswith("returnwatch: RETURNWATCH_GRACE_S ")


def test_topics_that_are_refused_are_one_sentence_and_not_one_of_each_process(
    start: Callable[..., WorkerProcess], bootstrap: str, names: Names
) -> None:
    topics = names.topics(PARTITIONS)
    del topics[names.dead_letters]
    create_topics(bootstrap, topics)
    worker = start(names.env(bootstrap, **QUICK), 3)

    assert worker.wait_for_end() == 1
    (sentence,) = complaints(worker)
    assert sentence.startswith(f"returnwatch: The topic {names.dead_letters} does not exist.")
    assert [it for it in events(worker) if "starting it again" in it["event"]] == []


def test_a_lost_stretch_of_the_log_stops_all_until_it_is_accepted(
    start: Callable[..., WorkerProcess],
    start_worker: StartWorker,
    bootstrap: str,
    names: Names,
    desk: Desk,
) -> None:
    create_topics(bootstrap, names.topics(1))
    env = names.env(bootstrap, **QUICK)
    worker = running(start, env)
    desk.submit("open", return_within_ms=60_000)
    wait_for_open(worker, 1)
    assert worker.terminate() == 0
    desk.answer("open")
    cut_off(bootstrap, names.returned, {0: 1})

    worker.start()
    status = worker.wait_for_end()
    accepting = start_worker(env, ("--processes", "2", "--accept-gap"))
    accepting.wait_until_ready()

    (sentence,) = complaints(worker)
    assert status == 1
    assert "--accept-gap" in sentence
    assert accepting.metric("returnwatch_orders", state="open") == 1


def test_a_supervisor_killed_without_warning_leaves_no_process_and_loses_nothing(
    start: Callable[..., WorkerProcess], env: dict[str, str], desk: Desk
) -> None:
    rarely = {**env, "RETURNWATCH_CHECKPOINT_INTERVAL_S": "3600"}
    worker = running(start, rarely)
    desk.submit(*(f"lost-{number}" for number in range(40)), return_within_ms=15_000)
    children = children_of(worker.process.pid)

    os.kill(worker.process.pid, signal.SIGKILL)

    assert worker.wait_for_end() == -signal.SIGKILL
    wait_until_gone(children)
    gone = [it for it in events(worker) if it["event"] == "the supervisor has gone, stopping"]
    assert {it["process"] for it in gone} == {1, 2}
    worker.start()
    desk.wait_for_alerts(40)
    assert desk.told() == sorted(("timed_out", f"lost-{number}") for number in range(40))


def test_a_process_killed_again_and_again_ends_all_with_one_sentence(
    start: Callable[..., WorkerProcess], env: dict[str, str]
) -> None:
    worker = start(env)
    victims: set[int] = set()
    until = time.monotonic() + 120

    # Its number is always the highest: it is the one that was started last.
    while worker.returncode is None:
        assert time.monotonic() < until, worker.text()
        children = children_of(worker.process.pid)
        if len(children) == 2 and (not victims or max(children) not in victims):
            victims.add(max(children))
            os.kill(max(children), signal.SIGKILL)
        time.sleep(0.02)

    (sentence,) = complaints(worker)
    assert worker.returncode == 1
    assert re.fullmatch(
        r"returnwatch: Process [12] ended 6 times within 300 s, the last time so: Signal SIGKILL "
        r"ended it\.",
        sentence,
    )


def test_more_processes_than_partitions_is_said_and_the_rest_are_ready(
    start: Callable[..., WorkerProcess], bootstrap: str, names: Names
) -> None:
    create_topics(bootstrap, names.topics(1))
    worker = start(names.env(bootstrap, **QUICK), 2)
    worker.wait_until_ready()

    said = [it for it in events(worker) if it["event"].startswith("more processes than part")]
    assert [(it["processes"], it["partitions"]) for it in said] == [(2, 1)]


def test_with_one_process_there_is_no_supervisor(
    start: Callable[..., WorkerProcess], env: dict[str, str]
) -> None:
    worker = start(env, 1)
    worker.wait_until_ready()

    assert children_of(worker.process.pid) == []
    assert "process=" not in worker.page("/metrics")[1]
