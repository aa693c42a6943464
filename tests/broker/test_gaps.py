"""A log that has lost records before they were read: what the worker then does not say."""

import time
from collections.abc import Callable
from typing import Final

import pytest

from tests.broker.orders import Desk
from tests.broker.topics import Names, create_topics, cut_off
from tests.broker.worker import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

QUICK: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "1",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_HOLD_S": "30",
    "RETURNWATCH_REMEMBER_S": "30",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.3",
}
LONG_MS: Final = 8_000


@pytest.fixture
def env(bootstrap: str, names: Names) -> dict[str, str]:
    create_topics(bootstrap, names.topics())
    return names.env(bootstrap, **QUICK)


@pytest.fixture
def desk(bootstrap: str, names: Names) -> Desk:
    return Desk(bootstrap, names)


def wait_for(worker: WorkerProcess, count: int, **labels: str) -> None:
    until = time.monotonic() + 20
    while worker.metric("returnwatch_orders", **labels) != count:
        assert worker.returncode is None, worker.text()
        assert time.monotonic() < until, worker.text()
        time.sleep(0.05)


def test_orders_open_at_an_accepted_gap_are_named_and_not_told_and_new_ones_are(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    worker = start_worker(env)
    worker.wait_until_ready()
    desk.submit("open-1", "open-2", return_within_ms=LONG_MS)
    wait_for(worker, 2, state="open")
    assert worker.terminate() == 0
    desk.answer("open-1")
    cut_off(bootstrap, names.returned, {0: 1})

    accepting = start_worker(env, ["--accept-gap"])
    accepting.wait_until_ready()
    desk.submit("lost")

    assert [alert["order_id"] for alert in desk.wait_for_alerts(1)] == ["lost"]
    told = accepting.text()
    assert f"{names.returned} partition 0 has lost offsets 0 to 0 (1, after " in told
    assert "open-1" in told
    assert "open-2" in told
    wait_for(accepting, 3, state="timed_out")
    events = accepting.metric("returnwatch_events_total", event="withheld_time_outs")
    assert events == 2
    assert accepting.terminate() == 0
    again = start_worker(env)
    again.wait_until_ready()
    assert desk.told() == [("timed_out", "lost")]


def test_at_a_first_start_orders_whose_returns_retention_may_have_taken_are_not_told(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    desk.submit("answered")
    desk.answer("answered")
    time.sleep(0.1)
    desk.answer("other")
    cut_off(bootstrap, names.returned, {0: 1})

    worker = start_worker(env)
    worker.wait_until_ready()
    desk.submit("lost")

    assert [alert["order_id"] for alert in desk.wait_for_alerts(1)] == ["lost"]
    wait_for(worker, 2, state="timed_out")
    assert desk.told() == [("timed_out", "lost")]


@pytest.mark.parametrize("start_at", ["earliest", "2020-01-01T00:00:00Z"])
def test_at_a_first_start_returns_whose_submissions_retention_may_have_taken_are_not_told(
    start_at: str,
    start_worker: StartWorker,
    env: dict[str, str],
    desk: Desk,
    bootstrap: str,
    names: Names,
) -> None:
    quick = {"RETURNWATCH_HOLD_S": "0.5", "RETURNWATCH_REMEMBER_S": "1"}
    desk.answer("older")
    desk.submit("cut-off")
    time.sleep(3)  # Longer than remember and every deadline after the oldest return.
    desk.answer("cut-off")
    desk.submit("lost")
    cut_off(bootstrap, names.submitted, {0: 1})

    worker = start_worker({**env, **quick, "RETURNWATCH_START_AT": start_at})
    worker.wait_until_ready()
    desk.wait_for_alerts(1)
    time.sleep(3)
    desk.answer("unknown")

    assert [alert["order_id"] for alert in desk.wait_for_alerts(2)] == ["lost", "unknown"]
    assert desk.told() == [("timed_out", "lost"), ("unmatched_return", "unknown")]
