"""`returnwatch audit` on a real Kafka: nothing is found in what a worker told, and every fault that
is made on purpose is."""

import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.alerts import alert_id
from tests.broker import history
from tests.broker.orders import Desk, now_ms
from tests.broker.records import NewRecord, StoredRecord, produce, read_until
from tests.broker.shell import Ended, Shell
from tests.broker.topics import Names, create_topics
from tests.broker.worker import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

SETTINGS: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "0.5",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_HOLD_S": "0.5",
    "RETURNWATCH_REMEMBER_S": "30",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.3",
}
MONEY: Final = {"amount_minor": 1_050, "currency": "EUR"}


@pytest.fixture
def shell(bootstrap: str, names: Names, tmp_path: Path) -> Shell:
    create_topics(bootstrap, names.topics(2))
    return Shell(names.env(bootstrap, **SETTINGS), tmp_path)


@pytest.fixture
def desk(bootstrap: str, names: Names) -> Desk:
    return Desk(bootstrap, names)


@pytest.fixture
def live(
    shell: Shell, desk: Desk, bootstrap: str, names: Names, start_worker: StartWorker
) -> list[StoredRecord]:
    """What a worker told of some orders; it has ended."""
    worker = start_worker(shell.env)
    worker.wait_until_ready()
    desk.submit("in-time-1", "in-time-2", return_within_ms=20_000, **MONEY)
    desk.answer("in-time-1")
    desk.answer("in-time-2", outcome="rejected")
    desk.submit("lost-1", "lost-2", "late", **MONEY)
    desk.answer("never-sent")
    read_until(bootstrap, names.alerts, 4)
    desk.answer("late", outcome="cancelled")
    read_until(bootstrap, names.alerts, 5)
    desk.submit("open-1", "open-2", return_within_ms=600_000, **MONEY)
    time.sleep(1.5)  # More than grace and interval: they are worked, too.
    assert worker.terminate() == 0, worker.text()
    return history.told(bootstrap, names)


def tampered(shell: Shell, bootstrap: str, names: Names, alerts: Sequence[StoredRecord]) -> Ended:
    """An audit where these are what stands on the alerts topic."""
    topic = f"{names.app_id}-tampered"
    create_topics(bootstrap, {topic: (2, {})})
    records = [
        NewRecord(it.key, it.value, it.headers, it.partition, it.timestamp_ms) for it in alerts
    ]
    produce(bootstrap, topic, records)
    shell.more["RETURNWATCH_ALERTS_TOPIC"] = topic
    return shell.run("audit")


def counts(ended: Ended) -> dict[str, int]:
    """Of the alerts, by what became of them."""
    kinds = ("right", "missing", "repeated", "false", "different")
    rows = [line.split() for line in ended.out.splitlines()]
    return {row[0]: int(row[1]) for row in rows if row and row[0] in kinds and row[1].isdigit()}


def found(right: int, **wrong: int) -> dict[str, int]:
    """So many are right, and so many wrong of a kind; none of the others."""
    return {"right": right, "missing": 0, "repeated": 0, "false": 0, "different": 0} | wrong


def value_of(record: StoredRecord) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(record.value or b"")
    return value


def test_nothing_is_found_in_what_a_worker_told_and_every_order_has_its_end(
    shell: Shell, live: list[StoredRecord]
) -> None:
    ended = shell.run("audit", "--out", "statement.jsonl")

    assert (ended.status, ended.err) == (0, "")
    assert counts(ended) == found(len(live))
    lines = [
        json.loads(line) for line in (shell.folder / "statement.jsonl").read_text().splitlines()
    ]
    ends = {line["order_id"]: (line["end"], line["outcome"]) for line in lines}
    assert len(lines) == len(ends)
    assert ends == {
        "in-time-1": ("in time", "accepted"),
        "in-time-2": ("in time", "rejected"),
        "lost-1": ("timed out", None),
        "lost-2": ("timed out", None),
        "late": ("late", "cancelled"),
        "open-1": ("undecided", None),
        "open-2": ("undecided", None),
    }
    assert re.search(r"timed out +2 +2,100 EUR", ended.out)
    assert re.search(r"late +cancelled +1 +1,050 EUR", ended.out)
    assert "Undecided at the end: open-" in ended.out


def test_an_alert_that_was_removed_is_missing(
    shell: Shell, live: list[StoredRecord], bootstrap: str, names: Names
) -> None:
    gone = live[0]

    ended = tampered(shell, bootstrap, names, live[1:])

    assert ended.status == 1, ended.err
    assert counts(ended) == found(len(live) - 1, missing=1)
    (line,) = [it for it in ended.out.splitlines() if it.startswith("  missing")]
    assert value_of(gone)["order_id"] in line


def test_an_alert_that_was_told_twice_is_repeated(
    shell: Shell, live: list[StoredRecord], bootstrap: str, names: Names
) -> None:
    ended = tampered(shell, bootstrap, names, [*live, live[0]])

    assert ended.status == 1, ended.err
    assert counts(ended) == found(len(live), repeated=1)


def test_a_forged_alert_is_false(
    shell: Shell, live: list[StoredRecord], bootstrap: str, names: Names
) -> None:
    model = next(it for it in live if value_of(it)["order_id"] == "lost-1")
    value = value_of(model) | {"order_id": "in-time-1"}
    value["alert_id"] = alert_id("timed_out", "in-time-1", "1:1")
    forged = model._replace(key=b"in-time-1", value=json.dumps(value).encode())
    bare = model._replace(value=b"no alert", headers=[])

    ended = tampered(shell, bootstrap, names, [*live, forged, bare])

    assert ended.status == 1, ended.err
    assert counts(ended) == found(len(live), false=2)
    assert "in-time-1" in ended.out
    assert "a record that is no alert" in ended.out


@pytest.mark.parametrize("what", ["value", "header", "key"])
def test_an_altered_alert_is_different_and_its_field_is_named(
    what: str, shell: Shell, live: list[StoredRecord], bootstrap: str, names: Names
) -> None:
    at, model = next((at, it) for at, it in enumerate(live) if value_of(it)["order_id"] == "lost-1")
    assert model.value is not None
    altered = {
        "value": model._replace(value=model.value.replace(b"1050", b"1051")),
        "header": model._replace(
            headers=[(name, b"x" if name == "ce_subject" else it) for name, it in model.headers]
        ),
        "key": model._replace(key=b"other"),
    }[what]

    ended = tampered(shell, bootstrap, names, [*live[:at], altered, *live[at + 1 :]])

    named = {"value": "amount_minor", "header": "ce_subject", "key": "key"}[what]
    assert ended.status == 1, ended.err
    assert counts(ended) == found(len(live) - 1, different=1)
    assert f"unlike in {named}" in ended.out


def test_alerts_of_before_and_after_a_change_of_rules_are_right_under_their_own(
    shell: Shell, desk: Desk, bootstrap: str, names: Names, start_worker: StartWorker
) -> None:
    worker = start_worker(shell.env)
    worker.wait_until_ready()
    desk.submit("first")
    read_until(bootstrap, names.alerts, 1)
    desk.submit("between", return_within_ms=2_500)
    desk.submit("old-rules-still", return_within_ms=2_500)
    desk.submit("first-again")
    read_until(bootstrap, names.alerts, 2)
    assert worker.terminate() == 0
    shell.more |= {"RETURNWATCH_RETURN_WITHIN_S": "1", "RETURNWATCH_HOLD_S": "0.2"}
    other = start_worker(shell.env | shell.more)
    other.wait_until_ready()
    desk.submit("second")
    desk.answer("never-sent")
    read_until(bootstrap, names.alerts, 6)
    assert other.terminate() == 0

    ended = shell.run("audit")

    assert ended.status == 0, ended.out
    assert counts(ended)["right"] == 6
    assert "The rules changed in " in ended.out


def test_without_state_there_is_nothing_to_audit(shell: Shell) -> None:
    ended = shell.run("audit", f"--from={now_ms() // 1_000}")
    empty = shell.run("audit")

    assert ended.status == 2
    (sentence,) = empty.complaints()
    assert empty.status == 2
    assert "no worker of this RETURNWATCH_APP_ID has decided anything yet" in sentence
