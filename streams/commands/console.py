"""Where commands write: results to standard output, everything else to standard error."""

from rich.console import Console


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
