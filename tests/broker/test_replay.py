"""`returnwatch replay` on a real Kafka: what it tells is what the worker tells."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.times import milliseconds, rfc3339
from tests.broker import history
from tests.broker.orders import Desk, now_ms
from tests.broker.records import StoredRecord, read_until
from tests.broker.shell import Shell
from tests.broker.topics import Names, create_topics, new_names
from tests.broker.worker import WorkerProcess
from tests.property.logs import Step, steps

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

SETTINGS: Final = {
    "RETURNWATCH_ACCEPT_CREATE_TIME": "true",
    "RETURNWATCH_RETURN_WITHIN_S": "2",
    "RETURNWATCH_HOLD_S": "1.5",
    "RETURNWATCH_REMEMBER_S": "4",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.2",
}
QUICK: Final = {
    **SETTINGS,
    "RETURNWATCH_RETURN_WITHIN_S": "0.6",
    "RETURNWATCH_HOLD_S": "0.3",
    "RETURNWATCH_REMEMBER_S": "1",
}
PARTITIONS: Final = 2
QUICKER: Final = 6  # So many times as quick as the steps say.
SLOW: Final = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
chosen = settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=SLOW,
    phases=[Phase.explicit, Phase.generate],
)


def replayed(shell: Shell, *words: str) -> list[bytes]:
    """The values that a replay tells, sorted."""
    ended = shell.run("replay", "--out", "-", *words)
    assert ended.status == 0, ended.err
    return sorted(ended.out.encode().splitlines())


def inside(live: list[StoredRecord], from_ms: int, to_ms: int) -> list[bytes]:
    """The values of what took effect in between, sorted."""
    effects = [milliseconds(dict(it.headers)["ce_time"].decode()) for it in live]
    pairs = zip(effects, live, strict=True)
    return history.values(it for effect_ms, it in pairs if from_ms <= effect_ms < to_ms)


@chosen
@given(happened=steps, batch=st.integers(1, 5), crashes=st.sets(st.integers(1, 6), max_size=2))
def test_a_replay_tells_what_was_told_live_whatever_the_batches_and_the_crashes(
    happened: list[Step],
    batch: int,
    crashes: set[int],
    bootstrap: str,
    start_worker: StartWorker,
    tmp_path: Path,
) -> None:
    names = new_names()
    create_topics(bootstrap, names.topics())
    shell = Shell(names.env(bootstrap, **QUICK), tmp_path)
    worker = start_worker(shell.env)
    worker.wait_until_ready()
    for number, begin in enumerate(range(0, len(happened), batch)):
        part = happened[begin : begin + batch]
        time.sleep(max(0, sum(step.wait_ms for step in part)) / 1_000 / QUICKER)
        in_time = [replace(step, wait_ms=0) for step in part]
        history.write(bootstrap, names, history.written(in_time, begin_ms=now_ms()))
        if number in crashes:
            worker.kill()
            worker.start()
    time.sleep(1)
    until_ms = now_ms() - 500

    again = replayed(shell, f"--to={rfc3339(until_ms)}")

    read_until(bootstrap, names.alerts, len(again))
    assert worker.terminate() == 0, worker.text()
    assert again == inside(history.told(bootstrap, names), 0, until_ms)


@chosen
@given(happened=st.tuples(steps, steps), from_s=st.integers(-2, 20), lasting_s=st.integers(1, 20))
def test_of_a_stretch_it_tells_what_took_effect_there_in_one_process_or_two(
    happened: tuple[list[Step], list[Step]],
    from_s: int,
    lasting_s: int,
    bootstrap: str,
    start_worker: StartWorker,
    tmp_path: Path,
) -> None:
    names = new_names()
    create_topics(bootstrap, history.topics_of(names, PARTITIONS))
    begin_ms = now_ms() - history.HOUR_MS
    for number in range(PARTITIONS):
        records = history.written(happened[number], number, begin_ms=begin_ms)
        history.write(bootstrap, names, records)
    shell = Shell(names.env(bootstrap, **SETTINGS), tmp_path)
    worker = start_worker(shell.env)
    worker.wait_until_ready()
    from_ms = begin_ms + from_s * 1_000
    to_ms = from_ms + lasting_s * 1_000

    whole = replayed(shell)
    stretch = replayed(
        shell, "--from", rfc3339(from_ms), "--to", rfc3339(to_ms), "--processes", "2"
    )

    read_until(bootstrap, names.alerts, len(whole))
    assert worker.terminate() == 0, worker.text()
    live = history.told(bootstrap, names)
    assert whole == history.values(live)
    assert stretch == inside(live, from_ms, to_ms)


@chosen
@given(happened=steps)
def test_what_if_is_what_a_worker_with_those_rules_tells(
    happened: list[Step], bootstrap: str, start_worker: StartWorker, tmp_path: Path
) -> None:
    names, others = new_names(), new_names()
    create_topics(bootstrap, history.topics_of(names))
    other = replace(others, submitted=names.submitted, returned=names.returned)
    made = {name: it for name, it in other.topics().items() if name.startswith(others.app_id)}
    create_topics(bootstrap, made)
    history.write(bootstrap, names, history.written(happened))
    shell = Shell(names.env(bootstrap, **SETTINGS), tmp_path)
    what_if = ("--return-within-s", "4", "--hold-s", "0.5", "--remember-s", "2.5")
    with_those = {"RETURN_WITHIN_S": "4", "HOLD_S": "0.5", "REMEMBER_S": "2.5"}
    env = other.env(bootstrap, **SETTINGS)
    env |= {f"RETURNWATCH_{name}": value for name, value in with_those.items()}
    worker = start_worker(env)
    worker.wait_until_ready()

    told = replayed(shell, *what_if)

    read_until(bootstrap, other.alerts, len(told))
    assert worker.terminate() == 0, worker.text()
    assert told == history.values(history.told(bootstrap, other))


def test_from_a_snapshot_it_tells_what_was_told_since_in_one_process_or_two(
    bootstrap: str, names: Names, start_worker: StartWorker, tmp_path: Path
) -> None:
    create_topics(bootstrap, names.topics(2))
    shell = Shell(names.env(bootstrap, **{**QUICK, "RETURNWATCH_REMEMBER_S": "60"}), tmp_path)
    desk = Desk(bootstrap, names)
    worker = start_worker(shell.env)
    worker.wait_until_ready()
    desk.submit("told-before", "answered-after")
    desk.submit("lost-later", "answered-later", return_within_ms=6_000)
    before = len(read_until(bootstrap, names.alerts, 2))
    time.sleep(1)  # More than grace and interval: the checkpoint with all of it is written.
    taken = shell.run("snapshot", "open.parquet")
    assert taken.status == 0, taken.err
    desk.answer("answered-after", "answered-later", "never-sent")
    read_until(bootstrap, names.alerts, before + 3, timeout_s=20)
    assert worker.terminate() == 0, worker.text()

    again = [replayed(shell, "--snapshot", "open.parquet", "--processes", n) for n in ("1", "2")]
    early = shell.run("replay", "--snapshot", "open.parquet", "--from", "2026-01-01T00:00:00Z")

    live = sorted(history.told(bootstrap, names), key=lambda record: record.timestamp_ms)
    assert again[0] == again[1] == history.values(live[before:])
    (sentence,) = early.complaints()
    assert early.status == 2
    assert sentence.startswith("The snapshot has decided partition ")
