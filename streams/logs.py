"""How the worker speaks: structlog events on standard error, for people or for machines."""

import logging
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

import structlog

# They say at info what we say better, and Faust warns of features that are not in use here.
_QUIET: Final = ("aiokafka", "faust", "mode", "asyncio")
# Mode names the loggers of its services after their modules, and some of those are ours.
_THEIRS: Final = frozenset((*_QUIET, "streams", "schemas"))
# What they call an error though it belongs to an ordinary start, or to a process that was stopped
# for a while and goes on. Where it lasts, readiness says that the group has assigned nothing.
_ORDINARY: Final = (
    "Group Coordinator Request failed: [Error 15]",  # The group's topic is still being made.
    "Thread keepalive is not responding",
)
FOLD_S: Final = 10.0  # A library says the same thing at most so often.
FOLDED_EVENTS_MAX: Final = 1_000  # Kept apart by what they say; beyond that all begin anew.


def hush() -> None:
    """For commands that print results: what libraries log is no part of them."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def set_up(level: str, layout: str, **fields: Any) -> None:
    """Every log line from here on, with these fields; layout is text, json, or auto (text on a
    terminal)."""
    is_text = layout == "text" or (layout == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _adding(fields),
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=32)
        if is_text
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    handler.addFilter(Fold().is_worth_saying)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET)
    root.setLevel(level.upper())


def _adding(fields: Mapping[str, Any]) -> structlog.typing.Processor:
    """A context's variables would be missing in the threads that libraries start."""

    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.update(fields)
        return event

    return add


class Fold:
    """Lets everything of ours through, and of libraries their errors, each once in FOLD_S: with a
    broker that is gone they would say the same a hundred times a second."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._said: dict[tuple[str, str], tuple[float, int]] = {}  # When, and how often since.

    def is_worth_saying(self, record: logging.LogRecord) -> bool:
        """Mode gives its loggers levels of their own, so they are quietened here."""
        is_ours = hasattr(record, "_logger")  # As structlog marks what comes through it.
        if is_ours or record.name.split(".")[0] not in _THEIRS:
            return True
        if record.levelno < logging.ERROR:
            return False
        text = record.getMessage()
        return not any(said in text for said in _ORDINARY) and self._is_new(record, text)

    def _is_new(self, record: logging.LogRecord, text: str) -> bool:
        event = record.name, str(record.msg)  # Before its arguments are filled in.
        now_s = self._clock_s()
        at_s, folded = self._said.get(event, (now_s - FOLD_S, 0))
        if now_s - at_s < FOLD_S:
            self._said[event] = at_s, folded + 1
            return False
        if len(self._said) >= FOLDED_EVENTS_MAX:
            self._said.clear()
        self._said[event] = now_s, 0
        if folded:
            record.msg, record.args = f"{text} ({folded} more like this since the last)", None
        return True
