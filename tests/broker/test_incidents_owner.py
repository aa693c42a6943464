"""Who tells incidents: when the owner is killed or stands still, another worker goes on for it."""

import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.broker.shop import Shop
from tests.broker.test_incidents import BROKEN_S, QUICK, WARM_S, told, wait_for
from tests.broker.topics import Names, create_topics
from tests.broker.worker import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

PARTITIONS = 2
TAKEOVER_TIMEOUT_S = 60.0
CLOSED_TIMEOUT_S = 150.0


@pytest.fixture
def workers(
    start_worker: StartWorker, bootstrap: str, names: Names
) -> tuple[WorkerProcess, WorkerProcess]:
    """Two that are ready: the owner of incidents, and the other one."""
    create_topics(bootstrap, names.topics(PARTITIONS))
    env = names.env(bootstrap, **QUICK)
    pair = [start_worker(env), start_worker(env)]
    for worker in pair:
        worker.wait_until_ready()
    until = time.monotonic() + TAKEOVER_TIMEOUT_S
    while [owns(worker) for worker in pair].count(True) != 1:
        assert time.monotonic() < until, [worker.text() for worker in pair]
        time.sleep(0.2)
    first, second = sorted(pair, key=owns, reverse=True)
    return first, second


def owns(worker: WorkerProcess) -> bool:
    """Whether it says that it tells incidents."""
    return worker.metric("returnwatch_incidents_owner") == 1


def wait_until_it_owns(worker: WorkerProcess) -> None:
    until = time.monotonic() + TAKEOVER_TIMEOUT_S
    while not owns(worker):
        assert time.monotonic() < until, worker.text()
        time.sleep(0.2)


def check_told_once(bootstrap: str, names: Names, *, incidents: int) -> None:
    """Each incident is opened once, then every later state of it follows once, in order."""
    found = told(bootstrap, names)
    revisions: dict[str, list[int]] = {}
    states: Counter[str] = Counter()
    for _, value in found:
        revisions.setdefault(value["incident_id"], []).append(value["revision"])
        states[value["state"]] += 1
    assert len(revisions) == incidents, found
    for its in revisions.values():
        assert its == list(range(1, len(its) + 1)), found
    assert states["opened"] == incidents
    assert states["closed"] <= incidents


def test_when_the_owner_is_killed_another_worker_goes_on_with_the_same_incident(
    workers: tuple[WorkerProcess, WorkerProcess], bootstrap: str, names: Names
) -> None:
    owner, other = workers
    with Shop(bootstrap, names) as shop:
        time.sleep(WARM_S)
        shop.silent.add("pg")
        opened = wait_for(bootstrap, names, "incident.opened.v1")

        owner.kill()
        wait_until_it_owns(other)
        stood_open = other.metric("returnwatch_incidents_open")
        time.sleep(BROKEN_S)
        shop.silent.clear()
        closed = wait_for(bootstrap, names, "incident.closed.v1", timeout_s=CLOSED_TIMEOUT_S)

    assert stood_open >= 1, "the state was not restored"
    check_told_once(bootstrap, names, incidents=1)
    assert closed["incident_id"] == opened["incident_id"]
    assert (closed["cause"], closed["since"]) == (opened["cause"], opened["since"])
    assert closed["orders_timed_out"] == len(shop.lost)
    assert other.metric("returnwatch_incidents_records_total") > 0
    assert other.metric("returnwatch_incidents_behind_seconds") < 30


def test_an_owner_that_stood_still_and_wakes_writes_nothing_any_more(
    workers: tuple[WorkerProcess, WorkerProcess], bootstrap: str, names: Names
) -> None:
    owner, other = workers
    with Shop(bootstrap, names) as shop:
        time.sleep(WARM_S)
        shop.silent.add("pg")
        wait_for(bootstrap, names, "incident.opened.v1")

        owner.pause()
        wait_until_it_owns(other)
        shop.silent.clear()
        wait_for(bootstrap, names, "incident.closed.v1", timeout_s=CLOSED_TIMEOUT_S)
        before = told(bootstrap, names)
        owner.resume()  # It has yet to read what was told by the other, and would tell it again.
        time.sleep(10)
        after = told(bootstrap, names)
        lost = len(shop.lost)
        owner.wait_until_ready()

    assert after == before
    check_told_once(bootstrap, names, incidents=1)
    assert before[-1][1]["orders_timed_out"] == lost
    assert [owns(worker) for worker in workers].count(True) == 1
