"""`returnwatch demo` as users run it, on the embedded broker and on a real Kafka."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.broker.process import ChildProcess
from tests.broker.source import Broker
from tests.broker.topics import topics_with_prefix

OURS = ("KAFKA_", "RETURNWATCH_")
ROOT = Path(__file__).parents[2]
TIMEOUT_S = 90
# Of two blocks of 60 orders, each with two lost and one of each other fault.
SUMMARY = """\
payments     sent  to be told, once each        told so
answered      108  nothing                          108
lost            4  timed out                          4
late            2  timed out and returned late        2
unmatched       2  unmatched return                   2
conflicting     2  conflicting return                 2
malformed       2  dead letter                        2
As it has to be: each of the 4 lost payments was told exactly once, the other faults too, \
and nothing else.
"""

StartDemo = Callable[..., ChildProcess]


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[StartDemo]:
    """`start_demo(*arguments, **env)`: started in a folder of its own."""
    with ExitStack() as demos:

        def start(*arguments: str, **env: str) -> ChildProcess:
            inherited = {name: at for name, at in os.environ.items() if not name.startswith(OURS)}
            demo = ChildProcess(
                [sys.executable, "-m", "streams.entry", "demo", *arguments],
                tmp_path / "output.log",
                env={**inherited, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "COLUMNS": "80"}
                | env,
                cwd=tmp_path,
            )
            demos.callback(demo.kill)
            return demo

        yield start


def wait_for(demo: ChildProcess, text: str) -> None:
    until = time.monotonic() + TIMEOUT_S
    while text not in demo.text():
        assert demo.returncode is None, demo.text()
        assert time.monotonic() < until, demo.text()
        time.sleep(0.05)


def test_without_anything_but_pip_the_demo_tells_every_fault_once_and_nothing_else(
    start_demo: StartDemo, tmp_path: Path
) -> None:
    demo = start_demo("--seconds", "6")

    status = demo.wait(TIMEOUT_S)
    text = demo.text()
    assert (status, text[-len(SUMMARY) :]) == (0, SUMMARY), text
    assert "on an embedded broker" in text.splitlines()[0]
    told = Counted(text)
    assert told["timed_out"] == 6
    assert told["returned_late"] == told["unmatched_return"] == told["conflicting_return"] == 2
    assert told["dead letter"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["output.log"]


def test_in_a_longer_run_a_provider_breaks_and_that_is_told_as_an_incident(
    start_demo: StartDemo,
) -> None:
    demo = start_demo("--seconds", "24", "--seed", "1")

    assert demo.wait(TIMEOUT_S) == 0, demo.text()
    text = demo.text()
    assert "northbank answers nothing at all" in text
    assert re.search(r"(?m) opened   system_failure provider northbank ", text)
    assert text.rstrip().endswith("The outage is one incident: system_failure, provider northbank.")


@pytest.mark.real_kafka
def test_on_a_kafka_of_the_users_own_the_demo_leaves_nothing_behind(
    start_demo: StartDemo, broker: Broker
) -> None:
    before = topics_with_prefix(broker.bootstrap, "returnwatch-demo-")

    demo = start_demo("--seconds", "6", KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap)

    status = demo.wait(TIMEOUT_S)
    text = demo.text()
    assert (status, text[-len(SUMMARY) :]) == (0, SUMMARY), text
    assert f"on {broker.bootstrap}" in text.splitlines()[0]
    assert topics_with_prefix(broker.bootstrap, "returnwatch-demo-") == before


def test_settings_of_the_users_own_worker_play_no_part(
    start_demo: StartDemo, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("RETURNWATCH_RETURN_WITHIN_S=600\nRETURNWATCH_GRACE_S=60\n")

    demo = start_demo("--seconds", "3", RETURNWATCH_START_AT="latest", RETURNWATCH_RULES="gone")

    assert demo.wait(TIMEOUT_S) == 0, demo.text()


@pytest.mark.parametrize("after", ["Simulating", "timed_out"])
def test_ctrl_c_ends_the_demo_with_what_was_told_so_far(start_demo: StartDemo, after: str) -> None:
    demo = start_demo()
    wait_for(demo, after)

    demo.signal(signal.SIGINT)

    assert demo.wait(TIMEOUT_S) == 0, demo.text()
    assert "Traceback" not in demo.text()
    assert demo.text().splitlines()[-1].startswith("Ended early: ")
    assert "The worker is told to stop." in demo.text()


def test_without_confluent_kafka_and_without_a_kafka_it_says_what_to_type(
    start_demo: StartDemo, tmp_path: Path
) -> None:
    (tmp_path / "confluent_kafka.py").write_text("raise ImportError")

    demo = start_demo(PYTHONPATH=f"{tmp_path}:{ROOT}")

    assert demo.wait(TIMEOUT_S) == 2
    assert demo.text().splitlines() == [
        "returnwatch: The embedded broker needs confluent-kafka: pip install 'returnwatch[demo]', "
        "or set KAFKA_BOOTSTRAP_SERVERS to a Kafka that runs."
    ]


class Counted(dict[str, int]):
    """How many lines of the live view begin with each verdict."""

    def __init__(self, text: str) -> None:
        live = text.partition("\npayments ")[0]
        kinds = re.findall(r"(?m)^(timed_out|dead letter|\w+_return|returned_late) ", live)
        super().__init__({kind: kinds.count(kind) for kind in kinds})
