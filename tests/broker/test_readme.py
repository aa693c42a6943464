"""The README's commands for a Kafka of one's own, typed as they stand there."""

import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.broker.process import ChildProcess, free_port
from tests.broker.topics import Names
from tests.broker.worker import OURS

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text()
TIMEOUT_S: Final = 60.0

Type = Callable[[str], ChildProcess]

pytestmark = pytest.mark.real_kafka


@pytest.fixture
def type_in(bootstrap: str, names: Names, tmp_path: Path) -> Iterator[Type]:
    """Starts a shell with these lines, the test's names in its environment; ended with all that it
    started at the end of the test."""
    command = tmp_path / "returnwatch"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m streams.entry "$@"\n')
    command.chmod(0o755)
    env = {name: at for name, at in os.environ.items() if not name.startswith(OURS)}
    env |= names.env(
        bootstrap,
        RETURNWATCH_RETURN_WITHIN_S="1",
        RETURNWATCH_WEB_PORT=str(free_port()),
        PATH=f"{tmp_path}{os.pathsep}{env['PATH']}",
        PYTHONPATH=str(ROOT),
        PYTHONUNBUFFERED="1",
    )
    with ExitStack() as shells:

        def start(lines: str) -> ChildProcess:
            output = tmp_path / f"output-{time.monotonic_ns()}.log"
            shell = ChildProcess(["bash", "-c", lines], output, env=env, cwd=tmp_path)
            shells.callback(shell.kill)
            return shell

        yield start


def block(section: str) -> str:
    """The first indented block of a section, as it is typed."""
    there = README.split(f"\n## {section}\n")[1]
    lines = re.search(r"(?m)(?:^ {4}.*\n)+", there)
    assert lines is not None
    return "".join(line.removeprefix("    ") for line in lines[0].splitlines(keepends=True))


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old} in {text}"
    return text.replace(old, new)


def wait_for(shell: ChildProcess, pattern: str) -> None:
    until = time.monotonic() + TIMEOUT_S
    while re.search(pattern, shell.text()) is None:
        assert shell.returncode is None, shell.text()
        assert time.monotonic() < until, shell.text()
        time.sleep(0.05)


def test_against_ones_own_kafka_the_readme_makes_topics_watches_and_investigates(
    type_in: Type, bootstrap: str, names: Names
) -> None:
    own = replaced(block("Against your own Kafka"), "localhost:9092", bootstrap)
    follow, *looks = block("Investigate").splitlines()

    shell = type_in(replaced(own, "send order-submitted", f"send {names.submitted}"))
    wait_for(shell, r"(?m)^\S+ timed_out +A-1 ")
    wait_for(type_in(follow), r"(?m)^\S+ timed_out +A-1 ")
    found = type_in("returnwatch doctor")

    assert found.wait(TIMEOUT_S) == 0, found.text()
    assert "wrong " not in found.text()
    for look in looks:
        shown = type_in(look)
        differs = 1 if "--diff" in look else 0  # Other deadlines, so other alerts.
        assert shown.wait(TIMEOUT_S) == differs, (look, shown.text())
