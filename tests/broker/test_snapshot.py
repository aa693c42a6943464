"""`returnwatch snapshot` on a real broker: what is open, beside a worker that goes on."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow.parquet
import pytest
from confluent_kafka.admin import AdminClient

from streams.investigate.snapshot import read_snapshot
from streams.state.changelog import State
from tests.broker.orders import Desk
from tests.broker.records import read_all
from tests.broker.shell import Ended, Shell
from tests.broker.topics import Names, create_topics, cut_off_compacted
from tests.broker.worker import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

PAGE: Final = (Path(__file__).parents[2] / "docs/investigate.md").read_text()
PARTITIONS: Final = 2
QUICK: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "600",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_HOLD_S": "60",
    "RETURNWATCH_REMEMBER_S": "60",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.1",
}
# Rolled with nearly every checkpoint, so that it is compacted while it is read.
ROLLED: Final = {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
TIMEOUT_S: Final = 30.0


@pytest.fixture
def env(bootstrap: str, names: Names) -> dict[str, str]:
    topics = names.topics(PARTITIONS)
    _, config = topics[names.changelog]
    create_topics(bootstrap, topics | {names.changelog: (PARTITIONS, {**config, **ROLLED})})
    return names.env(bootstrap, **QUICK)


@pytest.fixture
def shell(env: dict[str, str], tmp_path: Path) -> Shell:
    return Shell(env, tmp_path)


@pytest.fixture
def desk(bootstrap: str, names: Names) -> Desk:
    return Desk(bootstrap, names)


def restored(bootstrap: str, names: Names) -> dict[int, State]:
    """By partition, what the changelog holds of orders, put together record by record."""
    states = {partition: State() for partition in range(PARTITIONS)}
    for record in read_all(bootstrap, names.changelog):
        states[record.partition].take(record.key, record.value)
    for state in states.values():
        state.stats.clear()  # Counts of seconds that are not over yet; a replay needs none.
    return states


def tell_some(worker: WorkerProcess, desk: Desk, *, more_open: int = 0) -> None:
    """One order of each kind that a snapshot knows, all in the changelog when it returns."""
    desk.submit("lost", return_within_ms=1, amount_minor=900, currency="EUR", provider="slow")
    desk.submit("open-1", amount_minor=1250, currency="EUR", provider="acme", merchant="books")
    desk.submit("open-2", amount_minor=50, currency="JPY", provider="acme", player="p\n1")
    desk.submit("fine")
    desk.answer("fine")
    desk.answer("early", amount_minor=7, currency="EUR")
    desk.wait_for_alerts(1)
    wait_for(worker, open=2 + more_open, timed_out=1, held=1)


def wait_for(worker: WorkerProcess, **counts: int) -> None:
    """Until the worker has so many orders, and a checkpoint has them, too."""
    until = time.monotonic() + TIMEOUT_S
    while any(worker.metric("returnwatch_orders", state=it) != counts[it] for it in counts) or (
        worker.metric("returnwatch_consumer_lag_records") > 0
    ):
        assert time.monotonic() < until, worker.text()
        time.sleep(0.05)


@contextmanager
def busy(desk: Desk) -> Iterator[None]:
    """Orders come and go all the while."""
    stop = threading.Event()

    def feed() -> None:
        number = 0
        while not stop.is_set():
            ids = [f"busy-{number + each}" for each in range(50)]
            desk.submit(*ids)
            desk.answer(*ids[: number % 50])
            number += 50

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def ok(ended: Ended) -> Ended:
    assert ended.status == 0, ended.err
    return ended


def test_the_summary_says_what_is_open_and_how_much_is_at_risk(
    start_worker: StartWorker, env: dict[str, str], shell: Shell, desk: Desk
) -> None:
    worker = start_worker(env)
    worker.wait_until_ready()
    tell_some(worker, desk)

    shown = ok(shell.run("snapshot"))
    told = json.loads(ok(shell.run("snapshot", "--json")).out)

    assert shown.out.startswith("2 open, 1 timed out and not answered since, 1 return held, ")
    assert re.search(r"(?m)^EUR +1 +1 +\d+ s +2150 EUR$", shown.out), shown.out
    assert re.search(r"(?m)^acme +2 +0 +\d+ s +1250 EUR, 50 JPY$", shown.out), shown.out
    assert shown.err == ""
    assert told["orders"] == {"open": 2, "timed_out": 1, "held": 1, "closed": 1}
    assert told["unanswered"]["amount_minor"] == {
        "EUR": {"open": 1250, "timed_out": 900},
        "JPY": {"open": 50, "timed_out": 0},
    }
    assert [group["provider"] for group in told["by_provider"]] == ["acme", "slow"]
    assert sum(group["open"] for group in told["by_age"]) == 2
    assert worker.returncode is None


@pytest.mark.parametrize("name", ["open.jsonl", "open.parquet"])
def test_a_file_holds_what_the_changelog_holds(
    name: str,
    start_worker: StartWorker,
    env: dict[str, str],
    shell: Shell,
    desk: Desk,
    bootstrap: str,
    names: Names,
) -> None:
    worker = start_worker(env)
    worker.wait_until_ready()
    tell_some(worker, desk)
    assert worker.terminate() == 0

    kept = ok(shell.run("snapshot", name))

    snapshot = read_snapshot(shell.folder / name)
    assert snapshot.states == restored(bootstrap, names)
    assert snapshot.about.app_id == names.app_id
    assert kept.err == f"{rows_in(snapshot.states)} rows kept in {name}\n"
    assert read_snapshot(shell.folder / name, [1]).states == {1: snapshot.states[1]}
    assert [path.name for path in shell.folder.iterdir() if name in path.name] == [name]


def rows_in(states: dict[int, State]) -> int:
    return sum(len(state.orders) + len(state.segments) for state in states.values())


def test_beside_a_busy_worker_each_one_is_whole_and_the_worker_does_not_notice(
    start_worker: StartWorker,
    env: dict[str, str],
    shell: Shell,
    desk: Desk,
    bootstrap: str,
    names: Names,
) -> None:
    worker = start_worker(env)
    worker.wait_until_ready()
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    offsets = []
    with busy(desk):
        for _ in range(6):
            ok(shell.run("snapshot", "open.jsonl"))
            snapshot = read_snapshot(shell.folder / "open.jsonl")  # Checked against its headers.
            offsets.append(
                [
                    state.header.submitted.next_offset
                    for state in snapshot.states.values()
                    if state.header
                ]
            )
    groups = {group.group_id for group in admin.list_consumer_groups().result().valid}

    assert offsets == sorted(offsets)
    assert len(offsets[0]) == PARTITIONS
    assert offsets[0] < offsets[-1]
    assert names.app_id in groups
    assert {group for group in groups if group.startswith(names.app_id)} == {names.app_id}
    assert "another worker" not in worker.text()
    assert worker.terminate() == 0, worker.text()
    ok(shell.run("snapshot", "open.jsonl"))
    assert read_snapshot(shell.folder / "open.jsonl").states == restored(bootstrap, names)


def test_a_snapshot_writes_nothing_and_works_without_a_worker(
    start_worker: StartWorker,
    env: dict[str, str],
    shell: Shell,
    desk: Desk,
    bootstrap: str,
    names: Names,
) -> None:
    worker = start_worker(env)
    worker.wait_until_ready()
    tell_some(worker, desk)
    assert worker.terminate() == 0
    before = read_all(bootstrap, names.changelog, isolation="read_uncommitted")

    first, second = (ok(shell.run("snapshot")).out.splitlines()[0] for _ in range(2))

    assert first == second
    assert read_all(bootstrap, names.changelog, isolation="read_uncommitted")[-1] == before[-1]


def test_the_queries_of_the_page_read_the_file(
    start_worker: StartWorker,
    env: dict[str, str],
    shell: Shell,
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = start_worker(env)
    worker.wait_until_ready()
    hour_ago_ms = time.time_ns() // 1_000_000 - 3_600_000
    desk.submit("old", submitted_at=hour_ago_ms, return_within_ms=7_200_000, provider="slow")
    tell_some(worker, desk, more_open=1)
    ok(shell.run("snapshot", "open.parquet"))
    ok(shell.run("snapshot", "open.jsonl"))
    monkeypatch.chdir(shell.folder)
    section = PAGE.split("\n## What is open now\n")[1].split("\n## ")[0]
    (sql,) = re.findall(r"(?s)```sql\n(.+?)```", section)
    (python,) = re.findall(r"(?s)```python\n(.+?)```", section)

    by_provider = duckdb.sql(sql).fetchall()
    of_lines = duckdb.sql(sql.replace("open.parquet", "open.jsonl")).fetchall()
    table: Any = eval(python, {"pyarrow": pyarrow})  # noqa: S307 - it is ours
    keys = duckdb.sql("SELECT key FROM parquet_kv_metadata('open.parquet')").fetchall()

    assert by_provider == of_lines == [("slow", None, 1, None)]
    assert sorted(table["order_id"].to_pylist()) == ["old", "open-1", "open-2"]
    assert (b"returnwatch.checkpoint.1",) in keys


def test_topics_without_any_state_are_said_to_have_none(shell: Shell) -> None:
    shown = ok(shell.run("snapshot", "none.jsonl"))

    first, second = shown.out.splitlines()
    assert first.endswith("0 closed orders remembered; no state yet")
    assert second == f"Partitions without any state yet: {PARTITIONS} of {PARTITIONS}."
    states = read_snapshot(shell.folder / "none.jsonl").states
    assert states == {partition: State() for partition in range(PARTITIONS)}


def test_a_changelog_that_lost_records_gives_no_snapshot(
    start_worker: StartWorker,
    env: dict[str, str],
    shell: Shell,
    desk: Desk,
    bootstrap: str,
    names: Names,
) -> None:
    worker = start_worker(env)
    worker.wait_until_ready()
    tell_some(worker, desk)
    assert worker.terminate() == 0
    leave_last_headers(bootstrap, names.changelog)

    ended = shell.run("snapshot", "open.jsonl")

    (sentence,) = ended.complaints()
    assert (ended.status, ended.out) == (1, "")
    assert sentence.startswith("The changelog has lost records: ")
    assert not list(shell.folder.glob("*open*"))


def leave_last_headers(bootstrap: str, topic: str) -> None:
    """All but the last header of each partition is gone, as deletion by time would do."""
    newest = {it.partition: it.offset for it in read_all(bootstrap, topic) if it.key == b"h"}
    cut_off_compacted(bootstrap, topic, newest)


def test_another_app_id_is_one_sentence(shell: Shell) -> None:
    shell.more["RETURNWATCH_APP_ID"] = "nobody"

    ended = shell.run("snapshot", "open.jsonl")

    (sentence,) = ended.complaints()
    assert (ended.status, ended.out) == (1, "")
    assert sentence.startswith("The topic nobody-changelog does not exist: RETURNWATCH_APP_ID ")
    assert not list(shell.folder.glob("*.jsonl"))
