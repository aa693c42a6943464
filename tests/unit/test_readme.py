"""The README says what is there: its commands, files, settings and metrics exist."""

import re
from pathlib import Path

import pytest

from streams.cli import app
from streams.settings import FIELDS
from streams.web.metrics import Snapshot, render
from streams.web.processes import render as merged

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = {
    path.name: path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
FIRST_COMMAND = "    uv run --extra demo returnwatch demo"  # Run by tests/broker/test_demo.py.


def commands(page: str) -> list[str]:
    return re.findall(r"(?m)^ {4}(?:.*\| )?(?:uv run .*)?(returnwatch [^|&#\n]+)", page)


def test_the_first_command_stands_in_the_first_lines_and_the_whole_is_short() -> None:
    lines = README.splitlines()

    assert FIRST_COMMAND in lines[:12]
    assert "    uv run pytest" in lines[:12]
    assert len(lines) <= 150


@every_page
def test_every_command_shown_is_one_of_ours(page: str) -> None:
    for command in commands(page):
        words = [word for word in command.split()[1:] if not word.startswith("-")]
        parsed, _, unused = app.parse_commands(words)

        assert parsed, command
        assert len(unused) <= len(words) - len(parsed), command


@every_page
def test_every_file_named_is_there(page: str) -> None:
    named = re.findall(r"[`(]((?:tests|streams|schemas|docs|examples)/[\w./-]+)[`)]", page)

    assert [name for name in named if not (ROOT / name).exists()] == []


@every_page
def test_every_setting_named_exists(page: str) -> None:
    named = set(re.findall(r"\b((?:RETURNWATCH|KAFKA)_[A-Z_]+[A-Z])\b", page))

    assert {
        name for name in named - set(FIELDS) if not name.startswith("RETURNWATCH_TEST_")
    } == set()


@every_page
def test_every_metric_named_exists(page: str) -> None:
    text = render(Snapshot((), {}, {}, (), 0)).decode() + merged(()).decode()
    there = set(re.findall(r"(?m)^# TYPE (\w+)", text))
    named = set(re.findall(r"\b(returnwatch_[a-z_]+)\b", page))

    assert named - there - {name.removesuffix("_total") for name in there} == set()
