"""Patience with a broker that does not answer: it is asked again, for as long as it may be silent.

Owns the words of a silence that was too long, and how often the log says that there is one.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from streams.transport.log_bounds import BrokerUnavailable

RETRY_S: Final = 1.0
SAY_AGAIN_S: Final = 10.0

log = structlog.get_logger(__name__)


async def keep_asking(
    ask: Callable[[], Coroutine[Any, Any, None]],
    silent_s: Callable[[], float],
    *,
    limit_s: float,
) -> None:
    """Ask for ever; BrokerUnavailable once the broker has been silent for longer than `limit_s`."""
    said_s = -SAY_AGAIN_S
    while True:
        try:
            await ask()
        except BrokerUnavailable as error:
            silence_s = silent_s()
            if silence_s > limit_s:
                raise BrokerUnavailable(_too_long(silence_s)) from error
            if time.monotonic() - said_s >= SAY_AGAIN_S:
                said_s = time.monotonic()
                log.warning(
                    "the broker does not answer, asking again",
                    why=str(error),
                    silent_s=round(silence_s),
                    gives_up_after_s=limit_s,
                )
            await asyncio.sleep(RETRY_S)


def _too_long(silence_s: float) -> str:
    return (
        f"The broker has not answered for {silence_s:.0f} s: check KAFKA_BOOTSTRAP_SERVERS, and "
        "that Kafka runs there, then start the worker again; it goes on where it was."
    )
