"""Where commands write: results to standard output, everything else to standard error."""

from typing import Final

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

PIPE_MAX: Final = 1_000  # Characters of a line in a pipe.


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves it to the command line, where it is no failure."""
        raise


# Soft wrap: a line is a line, also in a pipe and on a narrow terminal.
out = _Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def complain(sentence: str) -> None:
    """One problem, in one sentence, to standard error."""
    err.print(f"returnwatch: {sentence}", style="red", markup=False)


def printable(text: str) -> str:
    """Whoever writes an order must not break our lines or reach the reader's terminal."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def put_table(table: Table, console: Console = out) -> None:
    """On a terminal as wide as that; in a pipe as wide as it has to be, nothing folded."""
    if console.is_terminal:
        console.print(table, soft_wrap=False)
        return
    wide = _Console(file=console.file, width=PIPE_MAX, highlight=False)
    wide.width = Measurement.get(wide, wide.options, table).maximum
    with wide.capture() as printed:
        wide.print(table)
    for line in printed.get().splitlines():
        console.print(line.rstrip(), markup=False)
