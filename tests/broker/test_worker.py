"""The worker as users run it: records through a broker to alerts, and to no false one."""

import time
from collections.abc import Callable

import pytest

from tests.broker.orders import Desk, a_return, now_ms
from tests.broker.records import put, read_all, transaction
from tests.broker.source import Broker
from tests.broker.topics import Names, create_topics
from tests.broker.worker import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

QUICK = {
    "RETURNWATCH_RETURN_WITHIN_S": "2",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_HOLD_S": "2",
    "RETURNWATCH_REMEMBER_S": "30",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.5",
}
PARTITIONS = 2


@pytest.fixture
def env(bootstrap: str, names: Names) -> dict[str, str]:
    create_topics(bootstrap, names.topics(PARTITIONS))
    return names.env(bootstrap, **QUICK)


@pytest.fixture
def desk(bootstrap: str, names: Names) -> Desk:
    return Desk(bootstrap, names)


def run_worker(start_worker: StartWorker, env: dict[str, str]) -> WorkerProcess:
    worker = start_worker(env)
    worker.wait_until_ready()
    return worker


def wait_until_decided(worker: WorkerProcess) -> None:
    """Nothing is open any more: whatever had to be told has been."""
    until = time.monotonic() + 30
    while worker.metric("returnwatch_orders", state="open") > 0 or not read_up(worker):
        assert time.monotonic() < until, worker.text()
        time.sleep(0.1)


def read_up(worker: WorkerProcess) -> bool:
    return worker.metric("returnwatch_consumer_lag_records") == 0


def test_on_a_silent_topic_the_order_that_never_returns_is_told_and_the_other_is_not(
    start_worker: StartWorker, env: dict[str, str], desk: Desk
) -> None:
    run_worker(start_worker, env)

    desk.submit("lost", "answered", amount_minor=1250, currency="EUR", provider="acme")
    desk.answer("answered")

    (alert,) = desk.wait_for_alerts(1)
    assert (alert["type"], alert["order_id"]) == ("timed_out", "lost")
    assert (alert["amount_minor"], alert["provider"], alert["rule"]) == (1250, "acme", "default")
    time.sleep(1)
    assert desk.told() == [("timed_out", "lost")]


def test_a_worker_stopped_for_longer_than_every_deadline_gives_no_false_alarm(
    start_worker: StartWorker, env: dict[str, str], desk: Desk
) -> None:
    worker = run_worker(start_worker, env)
    ids = [f"o-{number}" for number in range(200)]
    desk.submit(*ids, "lost")
    time.sleep(0.5)
    assert worker.terminate() == 0
    assert worker.files() == ["output.log"]
    desk.answer(*ids)
    time.sleep(2.5)

    worker.start()

    desk.wait_for_alerts(1)
    wait_until_decided(worker)
    assert desk.told() == [("timed_out", "lost")]


def test_a_killed_worker_goes_on_and_tells_each_lost_order_once(
    start_worker: StartWorker, env: dict[str, str], desk: Desk
) -> None:
    worker = run_worker(start_worker, env)
    lost = [f"lost-{number}" for number in range(40)]
    desk.submit(*lost[:20])
    desk.wait_for_alerts(1)
    worker.kill()
    desk.submit(*lost[20:])

    worker.start()

    desk.wait_for_alerts(40)
    wait_until_decided(worker)
    assert desk.told() == sorted(("timed_out", order_id) for order_id in lost)


def test_a_return_before_its_submission_answers_it_and_one_without_is_unmatched(
    start_worker: StartWorker, env: dict[str, str], desk: Desk
) -> None:
    worker = run_worker(start_worker, env)
    desk.answer("early", "stray")
    time.sleep(0.5)
    desk.submit("early", "late")

    desk.wait_for_alerts(2)
    desk.answer("late", outcome="rejected", code="51")

    alerts = desk.wait_for_alerts(3)
    wait_until_decided(worker)
    late = next(alert for alert in alerts if alert["type"] == "returned_late")
    assert (late["outcome"], late["code"], late["late_by_ms"] > 0) == ("rejected", "51", True)
    assert desk.told() == [
        ("returned_late", "late"),
        ("timed_out", "late"),
        ("unmatched_return", "stray"),
    ]


def test_two_workers_share_the_partitions_and_nothing_is_lost_or_told_twice_as_they_move(
    start_worker: StartWorker, env: dict[str, str], desk: Desk
) -> None:
    first = run_worker(start_worker, env)
    lost = [f"lost-{number}" for number in range(60)]
    answered = [f"fine-{number}" for number in range(60)]

    def feed(part: int) -> None:
        there = slice(part * 20, part * 20 + 20)
        desk.submit(*lost[there], *answered[there])
        desk.answer(*answered[there])

    feed(0)
    second = run_worker(start_worker, env)
    feed(1)
    assert wait_for_share(first) == wait_for_share(second) == 1
    assert first.terminate() == 0
    feed(2)

    desk.wait_for_alerts(60)
    wait_until_decided(second)
    assert desk.told() == sorted(("timed_out", order_id) for order_id in lost)


def wait_for_share(worker: WorkerProcess) -> int:
    """How many partitions a worker has, once it is ready with fewer than all."""
    until = time.monotonic() + 30
    while True:
        samples = worker.page("/metrics")[1].count("returnwatch_checkpoints_total{")
        if worker.is_ready() and samples == 1:
            return samples
        assert time.monotonic() < until, worker.text()
        time.sleep(0.1)


def test_a_return_in_an_open_transaction_keeps_the_verdict_back_until_it_is_committed(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    worker = run_worker(start_worker, env)
    with transaction(bootstrap) as producer:
        desk.submit("in-time")
        put(producer, names.returned, a_return("in-time"))
        producer.flush()
        time.sleep(4)
        assert desk.told() == []
        producer.commit_transaction()

    wait_until_decided(worker)
    time.sleep(0.5)
    assert desk.told() == []


def test_a_return_in_an_aborted_transaction_never_came(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    run_worker(start_worker, env)
    with transaction(bootstrap) as producer:
        desk.submit("lost")
        put(producer, names.returned, a_return("lost"))
        producer.flush()
        producer.abort_transaction()

    assert [alert["order_id"] for alert in desk.wait_for_alerts(1)] == ["lost"]


def test_a_worker_started_at_the_latest_records_knows_nothing_of_older_ones(
    start_worker: StartWorker, env: dict[str, str], desk: Desk
) -> None:
    desk.submit("old")
    worker = run_worker(start_worker, {**env, "RETURNWATCH_START_AT": "latest"})

    desk.answer("old")
    desk.submit("new")

    desk.wait_for_alerts(1)
    wait_until_decided(worker)
    time.sleep(2.5)
    assert desk.told() == [("timed_out", "new")]


def test_alerts_say_who_decided_when_and_on_what(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, broker: Broker, names: Names
) -> None:
    run_worker(start_worker, env)
    before_ms = now_ms()
    desk.submit("lost")

    desk.wait_for_alerts(1)

    (record,) = read_all(broker.bootstrap, names.alerts)
    headers = dict(record.headers)
    assert headers["ce_type"] == b"returnwatch.order.timed_out.v1"
    assert headers["ce_source"] == f"/returnwatch/{names.app_id}".encode()
    assert int(headers["returnwatch-frontier"]) > before_ms
    assert headers["returnwatch-partitioner"] == b"unproven"
    assert len(headers["returnwatch-settings"]) == 64
