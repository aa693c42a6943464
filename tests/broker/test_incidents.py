"""From an outage to one incident, through a real worker; limits and silences on the way."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.broker.orders import Desk
from tests.broker.records import StoredRecord, read_all
from tests.broker.shell import Shell
from tests.broker.shop import Shop
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
WARM_S = 25  # Until what is normal is known.
BROKEN_S = 12


@pytest.fixture
def env(bootstrap: str, names: Names) -> dict[str, str]:
    create_topics(bootstrap, names.topics(PARTITIONS))
    return names.env(bootstrap, **QUICK)


def kind_of(record: StoredRecord) -> str:
    return dict(record.headers)["ce_type"].decode().removeprefix("returnwatch.")


def told(bootstrap: str, names: Names) -> list[tuple[str, dict[str, Any]]]:
    """(type, value) of all that was told, but of the monitor itself: it was killed on purpose."""
    found = [
        (kind_of(record), json.loads(record.value or b""))
        for record in read_all(bootstrap, names.incidents)
    ]
    return [each for each in found if each[1].get("cause") != "monitor"]


def wait_for(bootstrap: str, names: Names, kind: str, *, timeout_s: float = 40) -> dict[str, Any]:
    until = time.monotonic() + timeout_s
    while True:
        found = told(bootstrap, names)
        for its, value in found:
            if its == kind:
                return value
        assert time.monotonic() < until, found
        time.sleep(0.3)


def test_an_outage_of_a_provider_is_one_incident_opened_and_closed_also_with_the_worker_killed(
    start_worker: StartWorker,
    env: dict[str, str],
    bootstrap: str,
    names: Names,
    tmp_path: Any,
) -> None:
    worker = start_worker(env)
    worker.wait_until_ready()
    with Shop(bootstrap, names) as shop:
        time.sleep(WARM_S)
        shop.silent.add("pg")
        opened = wait_for(bootstrap, names, "incident.opened.v1")
        worker.kill()
        worker.start()
        time.sleep(BROKEN_S)
        shop.silent.clear()
        closed = wait_for(bootstrap, names, "incident.closed.v1", timeout_s=150)

    found = told(bootstrap, names)
    assert [kind for kind, _ in found if "updated" not in kind] == [
        "incident.opened.v1",
        "incident.closed.v1",
    ]
    assert len({value["incident_id"] for _, value in found}) == 1
    assert (opened["cause"], closed["cause"]) == ("system_failure", "system_failure")
    assert opened["scope"]["provider"] == "pg"
    assert opened["silenced"] is None
    assert closed["orders_timed_out"] == len(shop.lost)
    revisions = [value["revision"] for _, value in found]
    assert revisions == list(range(1, len(found) + 1))
    shell = Shell(env, tmp_path)
    why = shell.run("why", closed["order_ids"][0])
    assert why.status == 0, why.err
    assert "Cause: system_failure, provider pg" in why.out
    assert "docs/causes/system_failure.md" in why.out
    shown = shell.run("incidents")
    assert (shown.status, shown.err) == (0, "")
    assert "opened" in shown.out
    as_json = shell.run("incidents", "--json", "--from=-1h").out.splitlines()
    assert [json.loads(line)["incident_id"] for line in as_json].count(
        closed["incident_id"]
    ) == len(found)


def test_a_limit_is_crossed_and_cleared(
    start_worker: StartWorker, env: dict[str, str], bootstrap: str, names: Names, tmp_path: Any
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        "[default]\nreturn_within_s = 30\n"
        '[[rule]]\nname = "pg"\nreturn_within_s = 30\nmatch = { provider = "pg" }\n'
        "open_orders_max = 50\n"
    )
    del env["RETURNWATCH_RETURN_WITHIN_S"]
    start_worker({**env, "RETURNWATCH_RULES": str(rules)}).wait_until_ready()
    desk = Desk(bootstrap, names)
    ids = [f"pg-{number}" for number in range(60)]
    desk.submit(*ids, provider="pg")
    exceeded = wait_for(bootstrap, names, "limit.exceeded.v1")
    desk.answer(*ids)
    cleared = wait_for(bootstrap, names, "limit.cleared.v1")

    assert (exceeded["limit"], exceeded["max"], exceeded["rule"]) == ("open_orders_max", 50, "pg")
    assert 50 < exceeded["value"] <= 60
    assert cleared["limit_id"] == exceeded["limit_id"]
    assert [kind for kind, _ in told(bootstrap, names)].count("limit.exceeded.v1") == 1


def test_an_incident_in_planned_work_is_silenced_and_a_digest_sums_it_up(
    start_worker: StartWorker, env: dict[str, str], bootstrap: str, names: Names, tmp_path: Any
) -> None:
    start_worker(env).wait_until_ready()
    shell = Shell(env, tmp_path)
    with Shop(bootstrap, names) as shop:
        time.sleep(WARM_S)
        add = ("silence", "add", "--provider", "pg", "--to", "+40s", "--why", "new firewall")
        added = shell.run(*add)
        shop.silent.add("pg")
        opened = wait_for(bootstrap, names, "incident.opened.v1")
        shop.silent.clear()
        digest = wait_for(bootstrap, names, "silence.ended.v1", timeout_s=60)

    assert added.status == 0, added.err
    assert opened["silenced"] == "new firewall"
    assert [it["incident_id"] for it in digest["incidents"]] == [opened["incident_id"]]
    assert digest["orders_timed_out"] > 0
    assert digest["silence_id"] == added.out.partition(":")[0]
    assert "silenced: new firewall" in shell.run("incidents").out
