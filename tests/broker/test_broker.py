"""The broker that the tests use, and the helpers that write to it and read from it."""

import subprocess
import sys
import time

import pytest

from tests.broker.process import ChildProcess
from tests.broker.records import NewRecord, produce, put, read_all, read_until, transaction
from tests.broker.topics import (
    LOG_APPEND_TIME,
    Names,
    create_topics,
    delete_topics,
    topics_with_prefix,
)


def test_a_record_comes_back_as_it_was_sent(bootstrap: str, names: Names) -> None:
    create_topics(bootstrap, {names.submitted: (4, {})})

    produce(bootstrap, names.submitted, [NewRecord(b"k", b"v", [("h", b"1")], 3, 1_234)])

    (record,) = read_until(bootstrap, names.submitted, 1)
    assert record == (3, 0, 1_234, False, b"k", b"v", [("h", b"1")])


@pytest.mark.real_kafka
def test_a_log_append_time_topic_has_the_brokers_clock(bootstrap: str, names: Names) -> None:
    create_topics(bootstrap, {names.submitted: (1, LOG_APPEND_TIME)})
    before_ms = time.time_ns() // 1_000_000

    produce(bootstrap, names.submitted, [NewRecord(b"k", None, timestamp_ms=1_234)])

    (record,) = read_all(bootstrap, names.submitted)
    assert record.log_append_time
    assert before_ms <= record.timestamp_ms <= time.time_ns() // 1_000_000


@pytest.mark.real_kafka
def test_an_aborted_transaction_is_seen_uncommitted_only(bootstrap: str, names: Names) -> None:
    create_topics(bootstrap, {names.alerts: (1, {})})

    with transaction(bootstrap) as producer:
        put(producer, names.alerts, NewRecord(b"aborted", b""))
        producer.flush()
        producer.abort_transaction()
    with transaction(bootstrap) as producer:
        put(producer, names.alerts, NewRecord(b"committed", b""))
        producer.commit_transaction()

    assert [record.key for record in read_until(bootstrap, names.alerts, 1)] == [b"committed"]
    seen = read_all(bootstrap, names.alerts, isolation="read_uncommitted")
    assert [record.key for record in seen] == [b"aborted", b"committed"]


@pytest.mark.real_kafka
def test_an_open_transaction_hides_what_comes_after_it(bootstrap: str, names: Names) -> None:
    create_topics(bootstrap, {names.alerts: (1, {})})

    with transaction(bootstrap) as producer:
        put(producer, names.alerts, NewRecord(b"open", b""))
        producer.flush()
        produce(bootstrap, names.alerts, [NewRecord(b"after", b"")])
        while_open = read_all(bootstrap, names.alerts)

    assert while_open == []
    assert [record.key for record in read_until(bootstrap, names.alerts, 1)] == [b"after"]


@pytest.mark.real_kafka
def test_topics_are_made_and_deleted_by_name(bootstrap: str, names: Names) -> None:
    create_topics(bootstrap, names.topics(partitions=2))
    made = topics_with_prefix(bootstrap, names.app_id)

    delete_topics(bootstrap, made)

    assert made == sorted(names.topics())
    assert topics_with_prefix(bootstrap, names.app_id) == []


def test_a_child_ends_when_the_process_that_started_it_is_killed(tmp_path) -> None:
    if sys.platform != "linux":
        pytest.skip("needs Linux: nowhere else does a process hear of its parent's end")
    grandchild = [sys.executable, "-c", "import time; time.sleep(60)"]
    program = (
        "import pathlib, sys, time\n"
        "from tests.broker.process import ChildProcess\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        f"child = ChildProcess({grandchild!r}, here / 'log', env={{}}, cwd=here)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()

    assert ends(pid, within_s=5)


def test_a_child_can_be_paused_resumed_and_asked_to_leave(tmp_path) -> None:
    program = "import time\nwhile True: print('.', flush=True); time.sleep(0.01)"
    child = ChildProcess([sys.executable, "-c", program], tmp_path / "log", env={}, cwd=tmp_path)
    grows(child)
    child.pause()
    time.sleep(0.05)
    paused = child.text()
    time.sleep(0.1)
    still = child.text()
    child.resume()
    grows(child)

    assert still == paused
    assert child.terminate(5) < 0


def grows(child: ChildProcess) -> None:
    """Waits until the child has printed more."""
    length = len(child.text())
    until = time.monotonic() + 5
    while len(child.text()) <= length:
        assert time.monotonic() < until
        time.sleep(0.01)


def ends(pid: int, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            with open(f"/proc/{pid}/stat") as status:
                if ") Z " in status.read():
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False
