"""A broker that is gone, or has nothing to say: what the worker shows, says and asks meanwhile."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.broker.orders import Desk
from tests.broker.test_incidents_owner import wait_until_it_owns
from tests.broker.topics import Names, create_topics, new_names
from tests.broker.worker import WorkerProcess
from tests.faults.arena import Arena

StartWorker = Callable[..., WorkerProcess]

QUICK: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "1",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.3",
}
IMPATIENT: Final = {"RETURNWATCH_BROKER_TIMEOUT_S": "4"}
LINES_MAX: Final = 60  # Of a worker whose broker is gone for some 20 s.
ORDINARY: Final = {
    "partitions assigned",
    "partition taken over",
    "incidents taken over",
    "stopped",
}


def env_of(bootstrap: str, **more: str) -> dict[str, str]:
    """Of a worker with topics of its own."""
    names = new_names()
    create_topics(bootstrap, names.topics(2))
    return names.env(bootstrap, **QUICK, **more)


def desk_of(worker: WorkerProcess, bootstrap: str) -> Desk:
    env = worker.env
    names = Names(
        app_id=env["RETURNWATCH_APP_ID"],
        submitted=env["RETURNWATCH_SUBMITTED_TOPIC"],
        returned=env["RETURNWATCH_RETURNED_TOPIC"],
        alerts=env["RETURNWATCH_ALERTS_TOPIC"],
        dead_letters=env["RETURNWATCH_DEAD_LETTERS_TOPIC"],
        changelog=f"{env['RETURNWATCH_APP_ID']}-changelog",
    )
    return Desk(bootstrap, names)


def tell_one_alert(worker: WorkerProcess, bootstrap: str) -> None:
    desk = desk_of(worker, bootstrap)
    desk.submit("lost")
    desk.wait_for_alerts(1)


def test_from_start_to_stop_a_worker_says_nothing_but_its_own_lines(
    start_worker: StartWorker, lone: Arena
) -> None:
    worker = start_worker(env_of(lone.bootstrap))
    worker.wait_until_ready()
    tell_one_alert(worker, lone.bootstrap)

    status = worker.terminate()

    events: list[dict[str, Any]] = [json.loads(line) for line in worker.text().splitlines()]
    assert {event["event"] for event in events} == ORDINARY, worker.text()
    assert (status, {event["level"] for event in events}) == (0, {"info"})


def test_an_idle_worker_asks_for_nothing_but_news(start_worker: StartWorker, lone: Arena) -> None:
    """Heartbeats of the group, fetches that wait, every 2 s the shapes of its topics; and every
    5 s where its logs end, what it says on order-stats of how far it sees, and what the owner of
    incidents asks to know all silences."""
    assert lone.proxy is not None
    env = env_of(lone.bootstrap) | {"KAFKA_BOOTSTRAP_SERVERS": lone.way_in(proxied=True)}
    worker = start_worker(env)
    worker.wait_until_ready()
    tell_one_alert(worker, lone.bootstrap)
    wait_until_it_owns(worker)
    time.sleep(7)  # Checkpoint and offsets of what came last are written, and a heartbeat is.

    before = lone.proxy.requests.copy()
    time.sleep(5)
    asked = lone.proxy.requests - before

    news = {"Fetch", "Heartbeat", "Metadata", "ListOffsets", "Produce"}
    assert set(asked) == news, asked
    assert 3 <= asked["Heartbeat"] <= 7
    assert 1 <= asked["Metadata"] <= 3
    assert asked["ListOffsets"] <= 6
    assert asked["Produce"] <= 4
    assert asked["Fetch"] <= 75  # Ten a second: they wait 100 ms each; of counts, two a second.
    assert worker.is_ready()


@dataclass(slots=True)
class Loss:
    """One broker lost for a while under four workers, and what became of them."""

    idle: WorkerProcess
    busy: WorkerProcess
    asked: WorkerProcess  # To leave meanwhile.
    patient: WorkerProcess
    told: str = ""  # By the patient one's readiness.
    leaving_s: float = 0.0

    def happens(self, lone: Arena) -> None:
        desk_of(self.busy, lone.bootstrap).submit(*[f"o-{number}" for number in range(50)])
        lone.node(0).kill()
        try:
            self.told = wait_for_page(self.patient, 503, timeout_s=8)
            began_s = time.monotonic()
            self.asked.terminate()
            self.leaving_s = time.monotonic() - began_s
            for impatient in (self.idle, self.busy):
                impatient.wait_for_end(30)
        finally:
            lone.node(0).start()
            lone.cluster.wait_until_ready()


@pytest.fixture(scope="module")
def loss(lone: Arena, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loss]:
    folder: Path = tmp_path_factory.mktemp("loss")
    patience: tuple[dict[str, str], ...] = (IMPATIENT, IMPATIENT, {}, {})
    with ExitStack() as stack:
        workers = [
            stack.enter_context(WorkerProcess(env_of(lone.bootstrap, **more), folder))
            for more in patience
        ]
        for worker in workers:
            worker.wait_until_ready()
        one = Loss(*workers)
        one.happens(lone)
        yield one


def wait_for_page(worker: WorkerProcess, status: int, *, timeout_s: float) -> str:
    until = time.monotonic() + timeout_s
    while (page := worker.page("/readyz"))[0] != status:
        assert time.monotonic() < until, (page, worker.text())
        time.sleep(0.1)
    return page[1]


def test_an_idle_worker_whose_broker_is_gone_is_not_ready_until_it_is_back(loss: Loss) -> None:
    assert loss.told.startswith("the broker has not answered for ")
    assert wait_for_page(loss.patient, 200, timeout_s=30) == "ready\n"


@pytest.mark.parametrize("which", ["idle", "busy"])
def test_a_worker_whose_broker_stays_away_ends_with_one_sentence_and_no_flood_of_lines(
    loss: Loss, which: str
) -> None:
    worker: WorkerProcess = getattr(loss, which)
    *others, sentence = worker.text().splitlines()

    assert worker.returncode == 1
    assert sentence.startswith("returnwatch: The broker has not answered for "), worker.text()
    assert not any(line.startswith("returnwatch: ") for line in others)
    assert "Traceback" not in worker.text()
    assert len(others) < LINES_MAX, worker.text()


def test_a_worker_whose_broker_is_gone_leaves_within_ten_seconds_when_asked(loss: Loss) -> None:
    assert loss.leaving_s < 10
    assert "Traceback" not in loss.asked.text(), loss.asked.text()
