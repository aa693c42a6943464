"""`returnwatch doctor`: everything a worker would meet, and a fix for each finding."""

import asyncio
from typing import Final

from rich.table import Table
from rich.text import Text

from streams.commands.console import out
from streams.doctor import Check, State, configuration, deployment
from streams.settings import load_settings
from streams.transport.watermarks import BrokerUnavailable

_STYLES: Final = {State.OK: "green", State.WARNING: "yellow", State.WRONG: "bold red"}


def doctor() -> int:
    """Check configuration, broker, topics and partitioners; say what to type where it fails.

    Example: returnwatch doctor
    """
    settings = load_settings()
    checks = list(configuration(settings))
    try:
        checks += asyncio.run(deployment(settings))
    except BrokerUnavailable as error:
        fix = "Check KAFKA_BOOTSTRAP_SERVERS and that Kafka runs there."
        checks.append(Check("broker", State.WRONG, str(error), fix))
    _show(checks)
    return 1 if any(check.state is State.WRONG for check in checks) else 0


def _show(checks: list[Check]) -> None:
    table = Table("", "", "", box=None, pad_edge=False, show_header=False)
    for check in checks:
        state = Text(check.state.value, style=_STYLES[check.state])
        table.add_row(state, check.subject, Text(check.seen))
        if check.fix:
            table.add_row("", "", Text(check.fix, style="bold"))
    out.print(table, soft_wrap=False)
