"""How the worker speaks: structlog events on standard error, for people or for machines."""

import logging
import sys
from typing import Any, Final

import structlog

# They say at info what we say better, and Faust warns of features that are not in use here.
_QUIET: Final = ("aiokafka", "faust", "mode", "asyncio")


def hush() -> None:
    """For commands that print results: what libraries log is no part of them."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def set_up(level: str, layout: str) -> None:
    """Every log line from here on; layout is text, json, or auto (text on a terminal)."""
    is_text = layout == "text" or (layout == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
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
    handler.addFilter(_is_worth_saying)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET)
    root.setLevel(level.upper())


def _is_worth_saying(record: logging.LogRecord) -> bool:
    """Mode gives its loggers levels of their own, so they are quietened here."""
    is_theirs = record.name.split(".")[0] in _QUIET
    return record.levelno >= logging.ERROR or not is_theirs
