"""`returnwatch incidents`: what was told of faults, limits and silences, to its end or on."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Final

from cyclopts import Parameter
from rich.text import Text

from schemas.incidents import AtRisk, Incident, read_incident
from schemas.limits import LimitCrossed, read_limit
from schemas.records import Record
from schemas.silences import SilenceEnded, read_digest
from streams.commands.console import complain, out, printable
from streams.failures import WrongUse
from streams.log_reader import LogReader
from streams.moments import time_ms
from streams.settings import Settings, load_settings

EVIDENCE_SHOWN_MAX: Final = 3
Told = Incident | LimitCrossed | SilenceEnded

_STYLES: Final = {
    "opened": "bold red",
    "updated": "yellow",
    "closed": "green",
    "exceeded": "bold magenta",
    "cleared": "green",
    "ended": "cyan",
}


class NoIncidents(WrongUse):
    """Nothing is counted, so nothing is told."""


def incidents(
    *,
    follow: Annotated[bool, Parameter(help="Go on until Ctrl-C.", negative="")] = False,
    json: Annotated[bool, Parameter(help="The values, one a line, as they stand.", negative="")] = (
        False
    ),
    from_: Annotated[
        str | None,
        Parameter(
            name="--from",
            help="Told since: 2026-01-31T12:00:00Z, or -2h.",
            allow_leading_hyphen=True,
        ),
    ] = None,
) -> None:
    """Show the incidents that were told, oldest first, with their evidence and what to do.

    Limits that were crossed and digests of silences stand among them.

    Example: returnwatch incidents --from=-1h --follow
    """
    settings = load_settings()
    refuse_without_stats(settings)
    from_ms = None if from_ is None else time_ms(from_, datetime.now(UTC))
    with suppress(KeyboardInterrupt):
        asyncio.run(_show(settings, from_ms, follow=follow, as_json=json))


def refuse_without_stats(settings: Settings) -> None:
    """NoIncidents where the settings say that nothing is counted."""
    if not settings.stats:
        raise NoIncidents("RETURNWATCH_STATS is false: nothing is counted, and no incident told.")


def told_of(record: Record) -> Told:
    """What a record of `order-incidents` says; ValueError if it is none of ours."""
    kind = dict(record.headers).get("ce_type", b"").decode(errors="replace")
    value = record.value or b""
    if kind.startswith("returnwatch.limit."):
        return read_limit(value)
    if kind.startswith("returnwatch.silence."):
        return read_digest(value)
    return read_incident(value)


def lines_of(told: Told) -> list[Text]:
    """For people: the first line says what, those below why and what to do."""
    if isinstance(told, Incident):
        return incident_lines(told)
    return _limit_lines(told) if isinstance(told, LimitCrossed) else _digest_lines(told)


def incident_lines(told: Incident) -> list[Text]:
    """An incident; the evidence for its first cause is shown, and the remedy as it opens."""
    first = _headed(told.told_at, told.state, told.cause)
    first.append(f" {printable(str(told.scope))}", style="bold")
    first.append(f"  {_count(told.orders_timed_out, 'order')} timed out")
    if told.returned_late:
        first.append(f", {told.returned_late} of them back")
    first.append(_money(told.money_at_risk))
    first.append(f"; since {told.since}")
    if told.until is not None:
        first.append(f" until {told.until}")
    first.append(f"  ({told.severity})", style="dim")
    if told.silenced is not None:
        first.append(f"  silenced: {printable(told.silenced)}", style="cyan")
    lines = [first]
    if told.causes:
        lines += [_below(text) for text in told.causes[0].evidence[:EVIDENCE_SHOWN_MAX]]
    if told.state == "opened":
        lines += [_below(f"for example {', '.join(told.order_ids)}")] if told.order_ids else []
        lines.append(_below(f"{told.remedy} ({told.runbook})"))
    return lines


def _limit_lines(told: LimitCrossed) -> list[Text]:
    first = _headed(told.told_at, told.state, told.limit)
    by = "provider" if told.scope.provider is not None else "merchant"
    first.append(f" {by} {printable(told.scope.provider or told.scope.merchant or '')}", "bold")
    first.append(f"  {told.value}, limit {told.max} ({printable(told.rule)})")
    return [first, _below(told.advice)]


def _digest_lines(told: SilenceEnded) -> list[Text]:
    first = _headed(told.until, told.state, "silence")
    first.append(f" {printable(str(told.scope))}", style="bold")
    first.append(f"  {printable(told.why)}: {_count(len(told.incidents), 'incident')}")
    first.append(f", {_count(told.orders_timed_out, 'order')} timed out")
    first.append(_money(told.money_at_risk))
    return [first]


def _headed(at: str, state: str, what: str) -> Text:
    line = Text(at, style="dim")
    line.append(f" {state:<8}", style=_STYLES[state])
    line.append(f" {what}")
    return line


def _below(text: str) -> Text:
    return Text(f"    {printable(text)}", style="dim")


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _money(money: tuple[AtRisk, ...]) -> str:
    sums = ", ".join(f"{it.amount_minor} {it.currency}" for it in money if it.amount_minor)
    return f", {sums} (minor units) at risk" if sums else ""


async def _show(settings: Settings, from_ms: int | None, *, follow: bool, as_json: bool) -> None:
    options = settings.kafka_client_options()
    async with LogReader(options, settings.incidents_topic) as reader:
        async for _, record in reader.records(from_ms=from_ms, follow=follow):
            _print(record, as_json=as_json)


def _print(record: Record, *, as_json: bool) -> None:
    try:
        lines = lines_of(told_of(record))
    except ValueError:
        complain(f"a record at offset {record.offset} is no incident, passed over")
        return
    if as_json:
        out.print((record.value or b"").decode(), markup=False)
        return
    for line in lines:
        out.print(line)
