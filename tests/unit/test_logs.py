"""How the worker speaks: one event a line on standard error, libraries only when they fail."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from streams import logs


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    root, quiet = logging.getLogger(), [logging.getLogger(name) for name in logs._QUIET]
    handlers, level, levels = root.handlers, root.level, [it.level for it in quiet]
    yield
    root.handlers = handlers
    root.setLevel(level)
    for logger, before in zip(quiet, levels, strict=True):
        logger.setLevel(before)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


@pytest.mark.parametrize("layout", ["json", "auto"])  # Standard error is no terminal here.
def test_for_machines_an_event_is_a_line_of_json_with_its_fields(
    layout: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up("info", layout)

    structlog.get_logger("streams.test").warning("partition lost", partition=3)

    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "partition lost", "level": "warning", "partition": 3}


def test_for_people_an_event_is_a_line_of_text(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", "text")

    structlog.get_logger("streams.test").warning("partition lost", partition=3)

    (line,) = capsys.readouterr().err.splitlines()
    assert "partition lost" in line
    assert "partition=3" in line
    assert "\x1b" not in line


def test_what_is_less_than_the_level_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("warning", "json")

    structlog.get_logger("streams.test").info("quiet")
    structlog.get_logger("streams.test").error("loud")

    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_libraries_are_heard_only_when_they_fail(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", "json")

    for name in ("aiokafka.consumer", "faust.app", "mode.services", "asyncio"):
        logging.getLogger(name).warning("chatter")
    logging.getLogger("aiokafka.conn").error("cannot connect to %s", "kafka:9092")
    logging.getLogger("other").info("heard")

    assert [line["event"] for line in lines(capsys)] == ["cannot connect to kafka:9092", "heard"]


def test_a_traceback_stays_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", "json")

    try:
        raise ValueError("first\nsecond")
    except ValueError:
        structlog.get_logger("streams.test").exception("it failed")

    (line,) = lines(capsys)
    assert line["event"] == "it failed"
    assert "ValueError: first" in line["exception"]


def test_commands_that_print_results_hear_nothing_of_libraries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.hush()

    logging.getLogger("aiokafka").error("chatter")

    assert capsys.readouterr().err == ""
