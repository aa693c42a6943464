"""What an audit says for people: the findings, and the statement of the orders."""

from collections.abc import Iterator, Sequence

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.times import rfc3339
from streams.commands.alerts import alert_line
from streams.commands.console import printable, put_table
from streams.core.sequence import NEVER_MS
from streams.investigate.audit import Audited
from streams.investigate.ledger import DIFFERENT, FALSE, KINDS, MISSING, REPEATED, Finding
from streams.investigate.statement import ENDS, UNDECIDED, Totals
from streams.investigate.stretch import Portion
from streams.topics import counted

_WORDS = {
    MISSING: "should have been told and was not",
    REPEATED: "was told again with the same id",
    FALSE: "was told and should not have been",
    DIFFERENT: "was told in other bytes than it should",
}


def show_audit(console: Console, portions: Sequence[Portion], audited: Audited) -> None:
    """All of it: the stretch, the findings, what is not known, how the orders ended."""
    console.print(_stretch(portions, audited), markup=False)
    _show_judgement(console, audited)
    for sentence in _reservations(portions, audited):
        console.print(sentence, markup=False)
    _show_totals(console, audited.totals)


def _stretch(portions: Sequence[Portion], audited: Audited) -> str:
    begin_ms = min((it.from_ms for it in portions), default=NEVER_MS)
    ends = {it.to_ms for it in portions if it.to_ms != NEVER_MS}
    begin = "the start" if begin_ms == NEVER_MS else rfc3339(begin_ms)
    end = rfc3339(min(ends)) if ends else "nowhere"
    if len(ends) > 1:
        end += f" (the furthest partition {rfc3339(max(ends))})"
    where = counted(len(portions), "partition")
    unworked = sum(it.to_ms == NEVER_MS for it in portions)
    if unworked:
        end += f"; of {counted(unworked, 'partition')} no record is worked yet"
    return f"{audited.records:,} records of {where}, verdicts from {begin} to {end}:"


def _show_judgement(console: Console, audited: Audited) -> None:
    judgement = audited.judgement
    table = Table("alerts", "", "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    table.add_row("right", f"{judgement.right:,}", "")
    for kind in KINDS:
        table.add_row(kind, f"{judgement.counts[kind]:,}", _WORDS[kind])
    put_table(table, console)
    for kind in KINDS:
        for finding in judgement.first[kind]:
            console.print(Text.assemble(f"  {kind:<9} ", _shown(finding)))
        more = judgement.counts[kind] - len(judgement.first[kind])
        if more:
            console.print(f"  {kind:<9} and {more:,} more")


def _shown(finding: Finding) -> Text:
    line = finding.line
    try:
        text = alert_line(orjson.loads(line.value))
    except (ValueError, KeyError, TypeError):
        text = Text("a record that is no alert")
    place = f", partition {line.place}"
    text.append(place if line.at < 0 else f"{place} offset {line.at}")
    if finding.names:
        text.append(f", unlike in {', '.join(finding.names)}")
    return text


def _reservations(portions: Sequence[Portion], audited: Audited) -> Iterator[str]:
    for portion in portions:
        yield from portion.notes
    yield from audited.held
    if audited.judgement.unjudged:
        yield f"{audited.judgement.unjudged:,} alerts are not judged: too little is left or known."
    if audited.behind:
        yield (
            f"{audited.behind:,} alerts say that their cause came in behind the frontier: they are "
            "judged only where they are right."
        )
    if audited.changes:
        yield (
            f"The rules changed in {counted(audited.changes, 'partition')}: alerts about orders of "
            "that moment are right under the old or the new ones."
        )


def _show_totals(console: Console, totals: Totals) -> None:
    table = Table("orders submitted", "", "", "money (minor units)", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for end in ENDS:
        sums = {
            currency: it for (each, currency), it in sorted(totals.money.items()) if each == end
        }
        money = ", ".join(f"{amount:,} {currency}" for currency, amount in sums.items())
        table.add_row(end[0], end[1] or "", f"{totals.orders[end]:,}", money)
    table.add_row("all", "", f"{totals.orders.total():,}", "")
    put_table(table, console)
    undecided = totals.orders[UNDECIDED, None]
    if undecided:
        names = ", ".join(printable(name) for name in totals.undecided)
        more = undecided - len(totals.undecided)
        rest = f" and {more:,} more (--out names all)" if more else ""
        console.print(f"Undecided at the end: {names}{rest}.", markup=False)
