"""`returnwatch worker`: watch until told to stop."""

import asyncio
import signal
from typing import Annotated, Final

import structlog
from cyclopts import Parameter
from cyclopts.validators import Number

from streams import logs
from streams.channel import Job
from streams.core import compiled
from streams.core.rules import Policy
from streams.interpreter import tune
from streams.rulebook import load_policy
from streams.settings import Settings, load_settings
from streams.settings_values import PROCESSES_MAX
from streams.supervisor import Supervisor

INSTALL: Final = "install returnwatch where there is a C compiler"
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)

log = structlog.get_logger(__name__)


def worker(
    *,
    processes: Annotated[
        int | None,
        Parameter(
            help="How many share the partitions on this machine, at best one for each of its "
            "cores; RETURNWATCH_PROCESSES if not given.",
            validator=Number(gte=1, lte=PROCESSES_MAX),
        ),
    ] = None,
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
    settings = load_settings() if processes is None else load_settings(processes=processes)
    policy = load_policy(settings)
    logs.set_up(settings.log_level, settings.log_format)
    if not compiled.is_there():
        log.warning("the core is not compiled, so a record costs twice as much", hint=INSTALL)
    if settings.processes == 1:
        _work_alone(settings, policy, accept_gap=accept_gap)
    else:
        job = Job(0, settings, policy.text(), accept_gap)
        asyncio.run(_supervise(job))
    log.info("stopped")


def _work_alone(settings: Settings, policy: Policy, *, accept_gap: bool) -> None:
    from streams.app import watch  # Here, as Faust takes a second of which no failure has need.

    async def work() -> None:
        await watch(settings, policy, _told_to_stop(), accept_gap=accept_gap)

    tune()
    asyncio.run(work())


async def _supervise(job: Job) -> None:
    await Supervisor(job).run(_told_to_stop())


def _told_to_stop() -> asyncio.Event:
    """Set by the first signal to stop."""
    stop = asyncio.Event()
    for number in _STOPPING:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
