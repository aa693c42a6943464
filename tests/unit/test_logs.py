"""How the worker speaks: one event a line on standard error, libraries only when they fail."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError

from streams import logs
from streams.app import faust_app
from streams.settings import Settings


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


def test_of_libraries_services_with_our_modules_names_only_failures_are_heard(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Mode names a service's logger after the module of its class, as we name ours."""
    logs.set_up("info", "json")

    app = faust_app(Settings(bootstrap_servers="kafka:9092"))
    app.log.info("Starting...")
    app.log.error("Thread keepalive is not responding...")
    app.log.error("Crashed")
    structlog.get_logger("streams.app").info("ours")

    assert [line["event"] for line in lines(capsys)] == ["[^OrdersApp]: Crashed", "ours"]


def test_a_groups_topic_that_is_still_being_made_is_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.set_up("info", "json")
    group = logging.getLogger("aiokafka.consumer.group_coordinator")

    group.error("Group Coordinator Request failed: %s", GroupCoordinatorNotAvailableError())
    group.error("Group Coordinator Request failed: %s", GroupAuthorizationFailedError())

    (line,) = lines(capsys)
    assert "GroupAuthorizationFailedError" in line["event"]


def test_the_same_failure_of_a_library_is_said_once_in_a_while_with_a_count() -> None:
    now = [0.0]
    fold = logs.Fold(lambda: now[0])

    def said(name: str, text: str, *arguments: object) -> str | None:
        record = logging.LogRecord(name, logging.ERROR, "", 0, text, arguments, None)
        return record.getMessage() if fold.is_worth_saying(record) else None

    first = [said("aiokafka", "no node %s", number) for number in range(3)]
    others = said("aiokafka", "another"), said("aiokafka.conn", "no node %s", 1)
    now[0] = 10.0
    later = said("aiokafka", "no node %s", 7), said("aiokafka", "no node %s", 8)

    assert first == ["no node 0", None, None]
    assert others == ("another", "no node 1")
    assert later == ("no node 7 (2 more like this since the last)", None)


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
