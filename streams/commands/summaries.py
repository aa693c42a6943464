"""What replay, diff and audit say for people: tables of alerts and money, and sentences."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.alerts import VALUE_TYPES
from schemas.times import rfc3339
from streams.commands.alerts import alert_line
from streams.commands.console import put_table
from streams.core.sequence import NEVER_MS
from streams.investigate.comparison import Change, Differences, Group
from streams.investigate.replay import Replayed
from streams.investigate.spool import Money, Tally
from streams.investigate.stretch import Portion
from streams.topics import counted

TYPES: Final = tuple(VALUE_TYPES)


def show_replay(out: Console, portions: list[Portion], done: Replayed, *, took_s: float) -> None:
    """What was judged, how quickly, what was told, and what is missing."""
    tallies = done.tallies
    alerts: Counter[str] = Counter()
    money: Money = Counter()
    for tally in tallies:
        alerts.update(tally.alerts)
        money.update(tally.money)
    records = sum(tally.records for tally in tallies)
    letters = sum(tally.dead_letters for tally in tallies)
    out.print(
        f"{records:,} records of {counted(len(portions), 'partition')} in {took_s:.1f} s "
        f"({records / max(took_s, 0.001):,.0f} a second)."
    )
    out.print(f"Verdicts from {_span(portions, tallies)}:", markup=False)
    put_table(_alerts_table(alerts, money), out)
    if letters:
        out.print(f"{letters:,} records could not be read.")
    missing = [*_incompleteness(portions, tallies), *done.held]
    for sentence in missing or ["Complete: nothing that verdicts in the stretch need is missing."]:
        out.print(sentence, markup=False)
    entered = [it.entered_ms for it in portions if it.entered_ms is not None]
    if entered:
        out.print(
            f"Read from {rfc3339(min(entered))} on, to know the orders open at the start; one "
            "submitted before, with a longer return_within_ms of its own, would be unknown.",
            style="dim",
            markup=False,
        )


def _span(portions: Iterable[Portion], tallies: Iterable[Tally]) -> str:
    """The stretch of time that was judged, in words."""
    froms = {portion.from_ms for portion in portions}
    frontiers = {tally.frontier_ms for tally in tallies}
    begin = "the start" if froms == {NEVER_MS} else rfc3339(min(froms))
    ends = rfc3339(min(frontiers))
    if len(frontiers) > 1:
        ends += f" (the furthest partition {rfc3339(max(frontiers))})"
    return f"{begin} to {ends}"


def _alerts_table(counts: Counter[str], money: Money) -> Table:
    """Counts and money of each type of alert."""
    table = Table("alerts", "", "money (minor units)", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for kind in TYPES:
        table.add_row(kind, f"{counts[kind]:,}", _sums(kind, money))
    return table


def _incompleteness(portions: Iterable[Portion], tallies: Iterable[Tally]) -> list[str]:
    """What could not be judged, a sentence each; none where the stretch is complete."""
    sentences = [note for portion in portions for note in portion.notes]
    counts: Counter[str] = Counter()
    for tally in tallies:
        counts.update(tally.counts)
    if counts["withheld_time_outs"]:
        sentences.append(f"{counts['withheld_time_outs']:,} time-outs are not told for that.")
    return sentences


def show_differences(out: Console, found: Differences) -> None:
    """How many were added, removed and changed, whose money, and the first few of each."""
    groups = (("added", found.added), ("removed", found.removed), ("changed", found.changed))
    table = Table("", "", *TYPES, "money (minor units)", box=None, pad_edge=False)
    for column in table.columns[1:-1]:
        column.justify = "right"
    for name, group in groups:
        by_type = (f"{group.by_type[kind]:,}" for kind in TYPES)
        table.add_row(name, f"{group.count:,}", *by_type, _all_sums(group.money))
    put_table(table, out)
    for name, group in groups:
        if group.count:
            _show_first(out, name, group)


def _show_first(out: Console, name: str, group: Group) -> None:
    shown = len(group.first)
    of = f"the first {shown} of {group.count:,}" if shown < group.count else f"{shown}"
    out.print(f"{name}, {of}:", markup=False)
    for change in group.first:
        for sign, value in zip("-+", change, strict=True):
            if value is not None:
                line = alert_line(orjson.loads(value))
                out.print(Text.assemble(f"  {sign} ", line))
        if change.before is not None and change.after is not None:
            out.print(f"    unlike in {', '.join(_unlike(change))}", style="dim", markup=False)


def _unlike(change: Change) -> list[str]:
    before, after = (orjson.loads(value or b"{}") for value in change)
    return [name for name in before | after if before.get(name) != after.get(name)]


def _sums(kind: str, money: Money) -> str:
    sums = {currency: amount for (each, currency), amount in sorted(money.items()) if each == kind}
    return ", ".join(f"{amount:,} {currency}" for currency, amount in sums.items())


def _all_sums(money: Money) -> str:
    sums: dict[str, int] = {}
    for (_, currency), amount in sorted(money.items(), key=lambda item: item[0][1]):
        sums[currency] = sums.get(currency, 0) + amount
    return ", ".join(f"{amount:,} {currency}" for currency, amount in sums.items())
