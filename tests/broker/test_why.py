"""`returnwatch why` where no incident covers the order: alone, answered, or not known."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker.orders import Desk
from tests.broker.shell import Shell
from tests.broker.topics import Names, create_topics
from tests.broker.worker import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

QUICK = {
    "RETURNWATCH_RETURN_WITHIN_S": "3",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.5",
}


@pytest.fixture
def shell(start_worker: StartWorker, bootstrap: str, names: Names, tmp_path: Path) -> Shell:
    """At a worker that has told of one order out of ten, which is no incident."""
    create_topics(bootstrap, names.topics(2))
    env = names.env(bootstrap, **QUICK)
    start_worker(env).wait_until_ready()
    desk = Desk(bootstrap, names)
    ids = [f"fine-{number}" for number in range(9)]
    desk.submit("alone", *ids, provider="pg")
    desk.answer(*ids)
    desk.wait_for_alerts(1)
    return Shell(env, tmp_path)


def test_an_order_that_no_incident_covers_is_isolated_and_gets_its_runbook(shell: Shell) -> None:
    said = shell.run("why", "alone")
    document = json.loads(shell.run("why", "alone", "--json").out)

    assert (said.status, said.err) == (0, "")
    assert "Cause: isolated. No incident covers it." in said.out
    assert "docs/causes/isolated.md" in said.out
    assert (document["cause"], document["incident"]) == ("isolated", None)
    assert document["runbook"] == "docs/causes/isolated.md"

    answered = shell.run("why", "fine-0")
    assert answered.status == 0
    assert "Cause:" not in answered.out
    assert json.loads(shell.run("why", "fine-0", "--json").out)["cause"] is None

    unknown = shell.run("why", "nobody")
    assert unknown.status == 1
    assert "Cause:" not in unknown.out
