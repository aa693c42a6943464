"""`returnwatch alerts`: the alerts topic, to its end or on."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.text import Text

from schemas.alerts import read_alert
from schemas.records import Record
from schemas.times import rfc3339
from streams.commands.console import complain, out, printable
from streams.log_reader import LogReader
from streams.moments import time_ms
from streams.settings import Settings, load_settings

_STYLES: Final = {
    "timed_out": "bold red",
    "returned_late": "yellow",
    "unmatched_return": "magenta",
    "conflicting_return": "bold magenta",
}


def alerts(
    *,
    follow: Annotated[bool, Parameter(help="Go on until Ctrl-C.", negative="")] = False,
    json: Annotated[
        bool, Parameter(help="The alert values, one a line, as they stand.", negative="")
    ] = False,
    from_: Annotated[
        str | None,
        Parameter(
            name="--from",
            help="Alerts written since: 2026-01-31T12:00:00Z, or -2h.",
            allow_leading_hyphen=True,
        ),
    ] = None,
) -> None:
    """Show the alerts that were written, oldest first in each partition.

    Each in one line that begins with the time it was told; with --json, as it stands.

    Example: returnwatch alerts --from=-15m --follow
    """
    settings = load_settings()
    from_ms = None if from_ is None else time_ms(from_, datetime.now(UTC))
    with suppress(KeyboardInterrupt):
        asyncio.run(_show(settings, from_ms, follow=follow, as_json=json))


def alert_line(value: dict[str, Any]) -> Text:
    """An alert for people, in one line."""
    line = Text(f"{value['type']:<18}", style=_STYLES.get(value["type"], ""))
    line.append(f" {printable(value['order_id'])}", style="bold")
    attempt = value["attempt"]
    if attempt is not None and attempt > 1:
        line.append(f" attempt {attempt}")
    for name in ("kind", "provider", "merchant"):
        if value[name] is not None:
            line.append(f" {printable(value[name])}")
    if value["amount_minor"] is not None:
        line.append(f" {value['amount_minor']} {value['currency']} (minor units)")
    line.append(f" {_told(value)}", style="dim")
    return line


def _dated(line: Text, told_ms: int) -> Text:
    """With the time the record was written, which is when the alert was told."""
    return Text.assemble((rfc3339(told_ms), "dim"), " ", line)


def _told(value: dict[str, Any]) -> str:
    kind = value["type"]
    if kind == "timed_out":
        return f"no result by {value['deadline']} ({value['rule']})"
    if kind == "returned_late":
        return f"{value['outcome']} {value['late_by_ms'] / 1_000:.3f} s late"
    if kind == "unmatched_return":
        return f"{value['outcome']} at {value['arrived_at']}, never submitted"
    return f"{value['outcome']} after {value['first_outcome']}"


async def _show(settings: Settings, from_ms: int | None, *, follow: bool, as_json: bool) -> None:
    options = settings.kafka_client_options()
    async with LogReader(options, settings.alerts_topic) as reader:
        async for _, record in reader.records(from_ms=from_ms, follow=follow):
            _print(record, as_json=as_json)


def _print(record: Record, *, as_json: bool) -> None:
    told = record.value or b""
    try:
        value = read_alert(told)
        line = told.decode() if as_json else _dated(alert_line(value), record.timestamp_ms)
    except (ValueError, KeyError, TypeError):
        complain(f"a record at offset {record.offset} is no alert, passed over")
        return
    out.print(line, markup=False)
