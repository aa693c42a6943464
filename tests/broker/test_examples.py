"""The subscribers of examples/ and docs/subscribe.md, beside a real worker that tells alerts."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from tests.broker.jars import kafka_jars
from tests.broker.orders import Desk
from tests.broker.process import ChildProcess
from tests.broker.records import NewRecord, produce, put, read_all, transaction
from tests.broker.topics import Names, create_topics
from tests.broker.worker import OURS, WorkerProcess

StartWorker = Callable[..., WorkerProcess]
Subscribe = Callable[..., ChildProcess]

pytestmark = pytest.mark.real_kafka

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs/subscribe.md").read_text()
PARTITIONS: Final = 2
TIMEOUT_S: Final = 45.0
QUICK: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "1",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.3",
}
PYTHON: Final = ("plain_subscriber", "faust_subscriber")


@pytest.fixture
def env(bootstrap: str, names: Names) -> dict[str, str]:
    create_topics(bootstrap, names.topics(PARTITIONS))
    return names.env(bootstrap, **QUICK)


@pytest.fixture
def desk(bootstrap: str, names: Names) -> Desk:
    return Desk(bootstrap, names)


@pytest.fixture
def subscribe(env: dict[str, str], names: Names, tmp_path: Path) -> Iterator[Subscribe]:
    """`subscribe(command)` starts one, in a group that is named after the test."""
    inherited = {name: at for name, at in os.environ.items() if not name.startswith(OURS)}
    whole = inherited | env | {"PYTHONPATH": str(ROOT), "GROUP": f"{names.app_id}-desk"}
    with ExitStack() as started:

        def start(command: list[str], **more: str) -> ChildProcess:
            output = tmp_path / f"output-{time.monotonic_ns()}.log"
            child = ChildProcess(command, output, env=whole | more, cwd=tmp_path)
            started.callback(child.kill)
            return child

        yield start


@pytest.fixture(params=[*PYTHON, "java"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """What starts the subscriber."""
    return java_command(tmp_path) if request.param == "java" else python_command(request.param)


def python_command(name: str) -> list[str]:
    return [sys.executable, "-m", f"examples.{name}"]


def java_command(folder: Path) -> list[str]:
    """The page's class, compiled as it stands there, and what runs it."""
    (source,) = re.findall(r"(?s)```java\n(.+?)```", PAGE)
    file = folder / "AlertSubscriber.java"
    file.write_text(source)
    jars = f"{kafka_jars()}/*"
    done = subprocess.run(
        ["javac", "-Xlint:all", "-Werror", "-cp", jars, "-d", str(folder), str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    return ["java", "-XX:TieredStopAtLevel=1", quiet, "-cp", f"{folder}:{jars}", "AlertSubscriber"]


def handled(subscriber: ChildProcess) -> list[dict[str, Any]]:
    """The alerts that it printed."""
    return [json.loads(line) for line in subscriber.text().splitlines() if line.startswith("{")]


def told(subscriber: ChildProcess) -> list[tuple[str, str]]:
    return sorted((alert["type"], alert["order_id"]) for alert in handled(subscriber))


def wait_for(subscriber: ChildProcess, count: int) -> None:
    until = time.monotonic() + TIMEOUT_S
    while len(handled(subscriber)) < count:
        assert subscriber.returncode is None, subscriber.text()
        assert time.monotonic() < until, subscriber.text()
        time.sleep(0.1)


def tell(start_worker: StartWorker, env: dict[str, str], desk: Desk) -> None:
    """Have a worker tell three alerts of two orders."""
    worker = start_worker(env)
    worker.wait_until_ready()
    desk.submit("lost", "late")
    desk.wait_for_alerts(2)
    desk.answer("late")
    desk.wait_for_alerts(3)


def tell_again(bootstrap: str, names: Names, order_id: str) -> None:
    """The order's first alert once more, as a worker does whose state was rebuilt."""
    first = next(it for it in read_all(bootstrap, names.alerts) if it.key == order_id.encode())
    again = NewRecord(first.key, first.value, first.headers, first.partition)
    produce(bootstrap, names.alerts, [again])


def tell_and_take_back(bootstrap: str, names: Names) -> None:
    """An alert in a transaction that is aborted."""
    value = json.dumps({"type": "timed_out", "order_id": "taken-back"}).encode()
    with transaction(bootstrap) as producer:
        headers = [("ce_id", b"taken-back")]
        put(producer, names.alerts, NewRecord(b"taken-back", value, headers, 0))
        producer.flush()
        producer.abort_transaction()


def read_values(bootstrap: str, names: Names) -> list[dict[str, Any]]:
    """Of the alerts on the topic, which have an id."""
    records = [it for it in read_all(bootstrap, names.alerts) if dict(it.headers).get("ce_id")]
    return [json.loads(it.value or b"") for it in records]


THREE: Final = [("returned_late", "late"), ("timed_out", "late"), ("timed_out", "lost")]


def test_each_alert_is_handled_once_what_is_told_again_or_taken_back_is_not(
    command: list[str],
    subscribe: Subscribe,
    start_worker: StartWorker,
    env: dict[str, str],
    desk: Desk,
    bootstrap: str,
    names: Names,
) -> None:
    tell(start_worker, env, desk)
    tell_and_take_back(bootstrap, names)
    tell_again(bootstrap, names, "lost")
    produce(bootstrap, names.alerts, [NewRecord(b"x", b"no alert", partition=0)])
    subscriber = subscribe(command)
    wait_for(subscriber, 3)
    tell_again(bootstrap, names, "late")

    desk.submit("last")
    wait_for(subscriber, 4)

    assert told(subscriber) == sorted([*THREE, ("timed_out", "last")])
    values = {json.dumps(alert) for alert in handled(subscriber)}
    assert values == {json.dumps(value) for value in read_values(bootstrap, names)}
    assert "no alert at 0:" in subscriber.text()
    assert subscriber.terminate(TIMEOUT_S) in (0, 143), subscriber.text()


@pytest.mark.parametrize("name", PYTHON)
def test_who_was_killed_knows_after_its_restart_what_it_has_handled(
    name: str,
    subscribe: Subscribe,
    start_worker: StartWorker,
    env: dict[str, str],
    desk: Desk,
) -> None:
    tell(start_worker, env, desk)
    first = subscribe(python_command(name))
    wait_for(first, 3)
    first.kill()

    # Another group has no offsets, so that all is delivered again.
    second = subscribe(python_command(name), GROUP=f"{env['RETURNWATCH_APP_ID']}-other")
    desk.submit("last")
    wait_for(second, 1)

    assert told(first) == THREE
    assert told(second) == [("timed_out", "last")]


def test_who_stopped_in_order_goes_on_where_it_was(
    command: list[str],
    subscribe: Subscribe,
    start_worker: StartWorker,
    env: dict[str, str],
    desk: Desk,
    tmp_path: Path,
) -> None:
    tell(start_worker, env, desk)
    first = subscribe(command, SEEN_FILE="first.db")
    wait_for(first, 3)
    time.sleep(4)  # Faust commits every 2.8 s, the others at once.
    first.terminate(TIMEOUT_S)
    desk.submit("last")

    second = subscribe(command, SEEN_FILE="second.db")
    wait_for(second, 1)

    assert told(second) == [("timed_out", "last")]
