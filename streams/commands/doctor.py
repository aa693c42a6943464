"""`returnwatch doctor`: everything a worker would meet, and a fix for each finding."""

import asyncio
from typing import Final

from rich.text import Text

from streams.commands.console import out
from streams.doctor import Check, State, configuration, deployment
from streams.settings import load_settings
from streams.transport.log_bounds import BrokerUnavailable
from streams.unreachable import Unreachable

_STYLES: Final = {State.OK: "green", State.WARNING: "yellow", State.WRONG: "bold red"}


def doctor() -> int:
    """Check configuration, broker, permissions, topics and keys; say what to type where it fails.

    Example: returnwatch doctor
    """
    settings = load_settings()
    checks = list(configuration(settings))
    try:
        checks += asyncio.run(deployment(settings))
    except Unreachable as error:
        checks.append(Check("broker", State.WRONG, error.problem, error.fix))
    except BrokerUnavailable as error:
        checks.append(Check("broker", State.WRONG, str(error), "Type again: returnwatch doctor"))
    _show(checks)
    return 1 if any(check.state is State.WRONG for check in checks) else 0


def _show(checks: list[Check]) -> None:
    """In columns, but every fix in one line, however long: it is there to be pasted."""
    states = max(len(check.state.value) for check in checks)
    subjects = max(len(check.subject) for check in checks)
    for check in checks:
        state = Text(check.state.value.ljust(states), style=_STYLES[check.state])
        out.print(Text.assemble(state, f"  {check.subject.ljust(subjects)}  {check.seen}"))
        if check.fix:
            out.print(Text.assemble(" " * (states + 2), (check.fix, "bold")))
