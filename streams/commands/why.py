"""`returnwatch why`: why one order did not return, from its own records and the incidents."""

import asyncio
import json as json_text
import time
from typing import Annotated, Any, Final

import orjson
from cyclopts import Parameter
from rich.text import Text

from schemas.incidents import Incident, encode_incident, read_incident
from schemas.times import milliseconds
from streams.commands.console import out, printable
from streams.commands.incidents import incident_lines, refuse_without_stats
from streams.commands.trace import BACK_MS, show, view_of
from streams.core.incidents.explanation import explain
from streams.core.incidents.remedies import REMEDIES, runbook_of
from streams.investigate.documents import story_document
from streams.investigate.evidence import Role
from streams.investigate.story import Story, alert_value
from streams.investigate.trace import Scope, Trace
from streams.investigate.trace import trace as trace_order
from streams.log_reader import LogReader
from streams.settings import Settings, load_settings

TOLD_WITHIN_MS: Final = 15_000  # Heartbeats are 5 s apart, and a second needs those of all.


def why(
    order_id: Annotated[str, Parameter(help="The order's id, exactly.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="All of it as one JSON object.", negative="")] = False,
) -> int:
    """Say why an order did not return: what happened to it, its incident, and what to do.

    Looks at the last 24 hours; `returnwatch trace` looks further back. The status is 1 where
    nothing of the order was found.

    Example: returnwatch why A-1
    """
    settings = load_settings()
    refuse_without_stats(settings)
    found, incident = asyncio.run(_look(settings, order_id))
    if json:
        _print_document(found, incident)
    else:
        _show(found, incident)
    return 0 if found.story.steps else 1


def timed_out(story: Story) -> dict[str, Any] | None:
    """The newest time-out that was told of an order."""
    values = [
        value
        for step in story.steps
        if step.evidence is not None and step.evidence.role is Role.ALERT
        if (value := alert_value(step.evidence)) is not None and value.get("type") == "timed_out"
    ]
    return values[-1] if values else None


def too_early(alert: dict[str, Any], now_ms: int) -> bool:
    """Whether the incident that a time-out belongs to may not be told yet."""
    return now_ms - milliseconds(alert["deadline"]) < TOLD_WITHIN_MS


async def _look(settings: Settings, order_id: str) -> tuple[Trace, Incident | None]:
    now_ms = time.time_ns() // 1_000_000
    view = view_of(settings, now_ms)
    scope = Scope(now_ms - BACK_MS, changelog=settings.changelog_topic)
    found = await trace_order(settings.kafka_client_options(), order_id, view, scope=scope)
    alert = timed_out(found.story)
    if alert is None:
        return found, None
    return found, explain(alert, await _incidents(settings, milliseconds(alert["submitted_at"])))


async def _incidents(settings: Settings, since_ms: int) -> list[Incident]:
    """As each was told last; those told before the order was submitted are not its own, but one
    that went on is told again by then, or as it closes."""
    newest: dict[str, Incident] = {}
    options = settings.kafka_client_options()
    async with LogReader(options, settings.incidents_topic) as reader:
        async for _, record in reader.records(from_ms=since_ms - BACK_MS, follow=False):
            try:
                incident = read_incident(record.value or b"")
            except ValueError:  # A limit or a digest.
                continue
            newest[incident.incident_id] = incident
    return list(newest.values())


def _show(found: Trace, incident: Incident | None) -> None:
    show(found)
    alert = timed_out(found.story)
    if alert is None:
        return
    out.print()
    if incident is None:
        out.print(Text("Cause: isolated. No incident covers it.", style="bold"))
        if too_early(alert, time.time_ns() // 1_000_000):
            limit_s = TOLD_WITHIN_MS // 1_000
            out.print(f"    It may be too early: one is told up to {limit_s} s after a time-out.")
        out.print(Text(f"    {REMEDIES['isolated']} ({runbook_of('isolated')})"))
        return
    out.print(Text(f"Cause: {incident.cause}, {printable(str(incident.scope))}.", style="bold"))
    for line in incident_lines(incident):
        out.print(line)
    for other in incident.causes[1:]:
        share = f"{other.cause} ({other.share_permille / 10:.0f} %)"
        out.print(Text(f"    less likely: {share}: {'; '.join(other.evidence)}", style="dim"))
    if incident.state != "opened":
        out.print(Text(f"    {incident.remedy} ({incident.runbook})"))


def _print_document(found: Trace, incident: Incident | None) -> None:
    is_late = timed_out(found.story) is not None
    cause = incident.cause if incident is not None else "isolated" if is_late else None
    document = {
        **story_document(found.story),
        "cause": cause,
        "incident": None if incident is None else orjson.loads(encode_incident(incident)),
        "runbook": None if cause is None else runbook_of(cause),
    }
    out.print(json_text.dumps(document, ensure_ascii=False), markup=False)
