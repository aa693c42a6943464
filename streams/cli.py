"""The command line: its commands put together, and what every failure of theirs looks like."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from aiokafka.errors import KafkaError
from cyclopts import App, CycloptsError

from streams import logs
from streams.app import Refused
from streams.commands.acls import OptionNeeded
from streams.commands.alerts import WrongTime, alerts
from streams.commands.config import config
from streams.commands.console import complain
from streams.commands.demo import demo
from streams.commands.doctor import doctor
from streams.commands.rules import rules
from streams.commands.send import WrongTopic, send
from streams.commands.topics import topics
from streams.commands.worker import worker
from streams.demo.embedded import EmbeddedBrokerMissing
from streams.demo.performance import WorkerFailed
from streams.rulebook import RulebookError
from streams.settings import SettingsError
from streams.state.header import StateError
from streams.state.ledger import LedgerError
from streams.state.restore import RestoreStalled
from streams.transport.consumer import ReadFailed
from streams.transport.watermarks import BrokerUnavailable
from streams.web.server import PortTaken
from streams.worker import LostTooOften

FAILED: Final = 1
WRONG_USE: Final = 2
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it.

_WRONG_USE: Final = (
    CycloptsError,
    EmbeddedBrokerMissing,
    OptionNeeded,
    RulebookError,
    SettingsError,
    WrongTime,
    WrongTopic,
)
_FAILED: Final = (
    BrokerUnavailable,
    KafkaError,
    LedgerError,
    LostTooOften,
    PortTaken,
    ReadFailed,
    Refused,
    RestoreStalled,
    StateError,
    WorkerFailed,
)

app = App(
    name="returnwatch",
    help="Watches orders on Kafka and tells which of them never got their result.",
    version=lambda: version("returnwatch"),
    help_format="plaintext",
)
app.command(worker)
app.command(topics)
app.command(send)
app.command(alerts)
app.command(rules)
app.command(config)
app.command(doctor)
app.command(demo)


def run(arguments: Sequence[str]) -> int:
    """Run one command; its status: 0, 1 for a failure while running, 2 for wrong use or
    configuration."""
    logs.hush()
    try:
        status = app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
        sys.stdout.flush()
    except _WRONG_USE as error:
        return _complain(error, WRONG_USE)
    except _FAILED as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # Who read our output has gone, which is no failure of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status if isinstance(status, int) else 0


def _complain(error: Exception, status: int) -> int:
    for sentence in str(error).splitlines() or [type(error).__name__]:
        complain(sentence)
    return status
