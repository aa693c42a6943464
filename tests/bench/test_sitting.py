"""A sitting as somebody runs it: what is kept when a section fails, or Ctrl-C ends it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench.delay import Pace, measured
from tests.bench.report import Figure, Section
from tests.bench.sitting import INTERRUPTED, Chapter, Sitting, Sizes, run
from tests.broker.process import ChildProcess

ROOT = Path(__file__).parents[2]


def rates(sitting: Sitting, section: Section) -> None:
    section.figures.append(Figure("rate", "events/s", [float(sitting.orders)] * sitting.rounds))


def breaks(sitting: Sitting, section: Section) -> None:
    section.figures.append(Figure("half", "s", [1.0]))
    raise AssertionError("the broker is gone\nand more")


def interrupted(sitting: Sitting, section: Section) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)


@pytest.fixture
def sit(monkeypatch, tmp_path: Path):
    """Runs chapters as a command would; its status, and the report in JSON."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def start(*measures, arguments=()):
        chapters = [Chapter(measure.__name__, measure.__name__, measure) for measure in measures]
        sizes = Sizes(orders=(1_000, 10), rounds=(3, 1), chapters=chapters)
        monkeypatch.setattr(sys, "argv", ["bench", "--out", str(tmp_path), *arguments])
        status = run("tests.bench", "", sizes)
        return status, json.loads((tmp_path / "report.json").read_text())["sections"]

    yield start
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_a_full_sitting_ends_well_and_leaves_a_table_in_json_and_a_picture(sit, tmp_path) -> None:
    status, sections = sit(rates)

    assert status == 0
    assert sections["rates"]["figures"][0]["values"] == [1_000.0] * 3
    assert (tmp_path / "report.png").exists()


def test_quick_is_smaller_and_what_is_given_wins_over_it(sit) -> None:
    _, sections = sit(rates, arguments=("--quick", "--orders", "20"))

    assert sections["rates"]["figures"][0]["values"] == [20.0]


def test_a_section_that_fails_keeps_what_it_has_and_the_next_one_is_measured(sit) -> None:
    status, sections = sit(breaks, rates)

    assert status == 1
    assert sections["breaks"]["failed"] == "AssertionError: the broker is gone"
    assert sections["breaks"]["figures"][0]["values"] == [1.0]
    assert sections["rates"]["failed"] == ""


def test_an_interrupted_sitting_keeps_what_was_measured(sit) -> None:
    status, sections = sit(rates, interrupted, breaks)

    assert status == INTERRUPTED
    assert list(sections) == ["rates", "interrupted"]
    assert sections["interrupted"]["failed"] == "interrupted"


def test_a_section_that_is_not_there_is_named_with_those_that_are() -> None:
    command = [sys.executable, "-m", "tests.bench", "--only", "speed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "'speed' (choose from" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.real_kafka
def test_silent_topics_are_measured_against_a_real_broker(bootstrap: str, tmp_path: Path) -> None:
    found = measured(bootstrap, tmp_path, Pace(per_s=20, seconds=1, partitions=2, is_silent=True))

    assert len(found.from_deadline) == found.sent.records == 20
    assert found.others == 0
    assert found.from_deadline[0] > 0


@pytest.mark.real_kafka
def test_ctrl_c_ends_the_broker_and_the_worker_that_were_started(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench", "--only", "restore", "--quick"]
    env = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    arguments = [*command, "--orders", "1000", "--out", str(tmp_path / "out")]
    bench = ChildProcess(arguments, tmp_path / "bench.log", env=env, cwd=tmp_path)
    try:
        until_s = time.monotonic() + 60
        while not list(tmp_path.glob("returnwatch-bench-*/worker-*/output.log")):
            assert time.monotonic() < until_s, bench.text()
            time.sleep(0.1)
        bench.signal(signal.SIGINT)

        assert bench.wait(30) == INTERRUPTED, bench.text()
    finally:
        bench.terminate(5)
    assert "Interrupted: what was measured until then is kept." in bench.text()
    assert list(tmp_path.glob("returnwatch-*")) == []
    assert [pid for pid in processes() if str(tmp_path) in pid] == []


def processes() -> list[str]:
    """The command lines of everything that runs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text())
        except OSError:  # It ended since it was listed.
            continue
    return found
