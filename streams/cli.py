"""The command line: its commands put together, and what every failure of theirs looks like.

Each command is imported when it is asked for, so that the others do not wait for what it needs.
"""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from cyclopts import App, CycloptsError, UnusedCliTokensError

from streams import logs
from streams.commands.console import complain
from streams.failures import WrongUse, sentence

FAILED: Final = 1
WRONG_USE: Final = 2
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it.

# In a list of all commands only; below one of them, what its own docstring says.
SUMMARIES: Final = {
    "worker": "Watch the orders until SIGTERM or Ctrl-C, then write a checkpoint and leave the "
    "group.",
    "topics": "Make or check the topics, or the permissions on them.",
    "send": "Send JSON lines from standard input, each keyed with its order_id and partitioned "
    "by it.",
    "alerts": "Show the alerts that were written, oldest first in each partition.",
    "snapshot": "Sum up the orders that are open now, read from the changelog, and keep them in a "
    "file.",
    "trace": "Tell everything about one order, in time order, and what happened in one sentence.",
    "dead-letters": "List or show the records that were set aside, or send them again, once each.",
    "replay": "Make the verdicts on a stretch of the topics again, or see those of other rules.",
    "audit": "Compare what was told with what should have been, and say how the orders ended.",
    "diff": "Compare two replays, or a replay and the alerts that were told: added, removed, "
    "changed.",
    "incidents": "Show the incidents that were told, oldest first, with their evidence and what "
    "to do.",
    "why": "Say why an order did not return: what happened to it, its incident, and what to do.",
    "silence": "Say that work is planned, so that its incidents wake nobody.",
    "rules": "Ask the rules.",
    "config": "Show every setting, its value and where it came from; secrets are masked.",
    "asyncapi": "Print the AsyncAPI 3 document of the topics, as JSON, which YAML readers take as "
    "well.",
    "doctor": "Check configuration, broker, permissions, topics and keys; say what to type where "
    "it fails.",
    "simulate": "Write simulated orders and returns, with faults whose labels are known.",
    "demo": "Watch simulated payments with the real worker, and see what it tells.",
}


def _made(*, is_list: bool) -> App:
    made = App(
        name="returnwatch",
        help="Watches orders on Kafka and tells which of them never got their result.\n\n"
        "Example: returnwatch demo",
        version=lambda: version("returnwatch"),
        help_format="plaintext",
    )
    for name, summary in SUMMARIES.items():
        noun = name.replace("-", "_")
        made.command(
            f"streams.commands.{noun}:{noun}", name=name, help=summary if is_list else None
        )
    return made


app = _made(is_list=False)


def run(arguments: Sequence[str]) -> int:
    """Run one command; its status: 0, 1 for a failure while running, 2 for wrong use or
    configuration."""
    logs.hush()
    try:
        _refuse_half_a_command(arguments)
        is_list = list(arguments) in ([], ["--help"], ["-h"])
        status = (_made(is_list=True) if is_list else app)(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
        sys.stdout.flush()
    except UnusedCliTokensError as error:
        return _complain(_too_much(error), WRONG_USE)
    except (CycloptsError, WrongUse) as error:
        return _complain(str(error), WRONG_USE)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # Who read our output has gone, which is no failure of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _complain(sentence(error), FAILED)
    return status if isinstance(status, int) else 0


def _refuse_half_a_command(arguments: Sequence[str]) -> None:
    chain, apps, rest = app.parse_commands(arguments)
    below = sorted(name for name in apps[-1] if not name.startswith("-"))
    if chain and below and not rest:
        typed = " ".join(("returnwatch", *chain))
        raise WrongUse(
            f"`{typed}` alone does nothing: give {' or '.join(below)}. See: {typed} --help"
        )


def _too_much(error: UnusedCliTokensError) -> str:
    typed = " ".join(("returnwatch", *(error.command_chain or ())))
    rest = " ".join(error.unused_tokens or ())
    return f"`{typed}` does not take {rest!r}. See: {typed} --help"


def _complain(text: str, status: int) -> int:
    for line in text.splitlines():
        complain(line)
    return status
