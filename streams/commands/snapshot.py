"""`returnwatch snapshot`: what is open now, as a summary and as a file."""

import asyncio
import time
from collections import Counter
from json import dumps
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from schemas.times import rfc3339
from streams.commands.console import err, out, printable, put_table
from streams.investigate.open_orders import BY, UNANSWERED, Group, OpenOrders
from streams.investigate.open_rows import CLOSED, HELD, OPEN, TIMED_OUT
from streams.investigate.taking import take_snapshot
from streams.settings import Settings, load_settings
from streams.topics import counted

SHOWN_MAX: Final = 10  # Groups of each table; --json has all of them.
_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


def snapshot(
    file: Annotated[
        Path | None,
        Parameter(help="Where to keep it: ends in .parquet or .jsonl; replaced if it is there."),
    ] = None,
    /,
    *,
    json: Annotated[bool, Parameter(help="The summary as JSON.", negative="")] = False,
) -> None:
    """Sum up the orders that are open now, read from the changelog, and keep them in a file.

    No worker is needed, and none is disturbed. What came in since its last checkpoint is not in it.

    Example: returnwatch snapshot open.parquet
    """
    settings = load_settings()
    at_ms = time.time_ns() // 1_000_000
    summary = _taken(settings, file, at_ms)
    if json:
        out.print(text_of(summary), markup=False)
    else:
        show(summary)
    if file is not None:
        err.print(f"{summary.rows} rows kept in {file}", markup=False)


def _taken(settings: Settings, file: Path | None, at_ms: int) -> OpenOrders:
    """How far it is stands on a terminal meanwhile, and is gone afterwards."""
    with err.status("Reading the changelog") as status:

        def tell(done: int, partitions: int) -> None:
            status.update(f"Reading the changelog: {done} of {partitions} partitions")

        return asyncio.run(take_snapshot(settings, file, at_ms=at_ms, on_progress=tell))


def text_of(summary: OpenOrders) -> str:
    """The summary as JSON in one line; a sum may need more than 64 bits."""
    return dumps(summary.document(), ensure_ascii=False, separators=(",", ":"))


def show(summary: OpenOrders) -> None:
    """The summary for people."""
    out.print(_headline(summary), markup=False)
    if summary.without_state:
        has = f"{summary.without_state} of {summary.partitions}"
        out.print(f"Partitions without any state yet: {has}.", markup=False)
    if not summary.total.orders:
        return
    for by in BY:
        out.print()
        put_table(_table(by, summary.groups(by)))


def _headline(summary: OpenOrders) -> Text:
    counts = summary.counts
    as_of = "no state yet" if summary.as_of_ms is None else f"as of {rfc3339(summary.as_of_ms)}"
    late = "bold red" if counts[TIMED_OUT] else ""
    return Text.assemble(
        (f"{counts[OPEN]} open", "bold"),
        ", ",
        (f"{counts[TIMED_OUT]} timed out and not answered since", late),
        f", {counted(counts[HELD], 'return')} held, ",
        f"{counted(counts[CLOSED], 'closed order')} remembered; ",
        (as_of, "dim"),
    )


def _table(by: str, groups: list[tuple[str | None, Group]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(by, overflow="fold")
    for heading in ("open", "timed out", "oldest"):
        table.add_column(heading, justify="right")
    table.add_column("at risk (minor units)", overflow="fold")
    for name, group in groups[:SHOWN_MAX]:
        table.add_row(*_cells(_shown(name), group))
    rest = groups[SHOWN_MAX:]
    if rest:
        table.add_row(*_cells(Text(f"{len(rest)} more", style="dim"), _sum(rest)))
    return table


def _cells(name: Text, group: Group) -> tuple[Text, ...]:
    counts = (Text(str(group.orders[state])) for state in UNANSWERED)
    return name, *counts, Text(_age(group.oldest_ms)), Text(_money(group))


def _sum(groups: list[tuple[str | None, Group]]) -> Group:
    total = Group()
    for _, group in groups:
        total.merge(group)
    return total


def _shown(name: str | None) -> Text:
    return Text("none", style="dim") if name is None else Text(printable(name))


def _age(age_ms: int) -> str:
    """In the largest unit that it has at least one of."""
    for unit_ms, unit in _UNITS:
        if age_ms >= unit_ms:
            return f"{age_ms // unit_ms} {unit}"
    return "0 s"


def _money(group: Group) -> str:
    sums: Counter[str] = Counter()
    for currency, by_state in group.money.items():
        sums[currency] += by_state.total()
    return ", ".join(f"{amount} {currency}" for currency, amount in sorted(sums.items()))
