"""`returnwatch worker`: watch until told to stop."""

import asyncio
import signal
from typing import Annotated, Final

import structlog
from cyclopts import Parameter

from streams import logs
from streams.interpreter import tune
from streams.rulebook import load_policy
from streams.settings import load_settings

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)

log = structlog.get_logger(__name__)


def worker(
    *,
    accept_gap: Annotated[
        bool,
        Parameter(
            help="Go on over records that retention removed unread; the orders open then are not "
            "told as timed out.",
            negative="",
        ),
    ] = False,
) -> None:
    """Watch the orders until SIGTERM or Ctrl-C, then write a checkpoint and leave the group.

    Example: KAFKA_BOOTSTRAP_SERVERS=kafka:9092 returnwatch worker
    """
    from streams.app import watch  # Here, as Faust takes a second of which no failure has need.

    settings = load_settings()
    policy = load_policy(settings)
    logs.set_up(settings.log_level, settings.log_format)
    tune()

    async def run() -> None:
        stop = asyncio.Event()
        for number in _STOPPING:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await watch(settings, policy, stop, accept_gap=accept_gap)

    asyncio.run(run())
    log.info("stopped")
