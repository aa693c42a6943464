"""`returnwatch trace`: everything about one order, in time order."""

import asyncio
import json as json_text
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.text import Text

from schemas.times import DAY_MS, rfc3339
from streams.commands.alerts import alert_line
from streams.commands.console import out, printable
from streams.failures import WrongUse
from streams.investigate.documents import story_document
from streams.investigate.evidence import Evidence, FourTopics, Role
from streams.investigate.story import Step, View, alert_value
from streams.investigate.trace import Scope, Trace
from streams.investigate.trace import trace as trace_order
from streams.moments import time_ms
from streams.rulebook import load_policy
from streams.settings import Settings, load_settings

BACK_MS: Final = DAY_MS  # Looked at without --from.
NEAR_SHOWN_MAX: Final = 10
RAW_SHOWN_MAX: Final = 2_000  # Bytes of a key or value.

_From = Annotated[
    str | None,
    Parameter(
        name="--from",
        help="Records written since: 2026-01-31T12:00:00Z, or -2h. Without it the last hour, "
        "and 24 h where the order begins before.",
        allow_leading_hyphen=True,
    ),
]
_To = Annotated[
    str | None,
    Parameter(
        name="--to", help="Inputs written before, the same forms.", allow_leading_hyphen=True
    ),
]

_STYLES: Final = {
    Role.SUBMITTED: "cyan",
    Role.RETURNED: "green",
    Role.ALERT: "bold red",
    Role.DEAD_LETTER: "magenta",
    Role.REQUEUED: "magenta",
}


def trace(
    order_id: Annotated[str, Parameter(help="The order's id, exactly.")],
    /,
    *,
    from_: _From = None,
    to: _To = None,
    all_partitions: Annotated[
        bool,
        Parameter(help="Also where the order's key does not belong.", negative=""),
    ] = False,
    exact: Annotated[
        bool, Parameter(help="Do not look for ids that are alike.", negative="")
    ] = False,
    json: Annotated[bool, Parameter(help="All of it as one JSON object.", negative="")] = False,
) -> int:
    """Tell everything about one order, in time order, and what happened in one sentence.

    Reads the partitions that its key hashes to. Where the order did not come to a good end, looks
    in the others for ids that differ in case, white space, prefix or leading zeros. The status is
    1 where nothing of the order was found.

    Example: returnwatch trace A-1 --from=-2h
    """
    settings = load_settings()
    now_ms = time.time_ns() // 1_000_000
    scope = replace(
        _scope(from_, to, now_ms),
        all_partitions=all_partitions,
        is_exact=exact,
        changelog=settings.changelog_topic,
    )
    view = view_of(settings, now_ms)
    options = settings.kafka_client_options()
    found = asyncio.run(trace_order(options, _readable(order_id), view, scope=scope))
    if json:
        document = _document(found, scope)
        out.print(json_text.dumps(document, ensure_ascii=False), markup=False)
    else:
        show(found)
        out.print(Text(_what_was_read(found, scope), style="dim"))
    return 0 if found.story.steps else 1


def _readable(order_id: str) -> str:
    try:
        order_id.encode()
    except UnicodeEncodeError as error:
        raise WrongUse("The order id is not UTF-8, as every order id is.") from error
    return order_id


def _scope(from_: str | None, to: str | None, now_ms: int) -> Scope:
    now = datetime.now(UTC)
    from_ms = now_ms - BACK_MS if from_ is None else time_ms(from_, now)
    to_ms = None if to is None else time_ms(to, now, option="--to")
    if to_ms is not None and from_ is None:
        from_ms = to_ms - BACK_MS
    if to_ms is not None and to_ms <= from_ms:
        raise WrongUse(f"--to {to} is not after --from {from_}: give a later time.")
    return Scope(from_ms, to_ms, can_stop=from_ is None and to is None)


def view_of(settings: Settings, now_ms: int) -> View:
    """Which topics and rules a trace is told by."""
    topics = FourTopics(
        settings.submitted_topic,
        settings.returned_topic,
        settings.alerts_topic,
        settings.dead_letters_topic,
    )
    return View(topics, load_policy(settings), until_ms=now_ms - settings.grace_ms, now_ms=now_ms)


def _document(found: Trace, scope: Scope) -> dict[str, Any]:
    return {
        **story_document(found.story),
        "near_misses": [
            {"order_id": it.order_id, "records": it.records, "places": list(it.places)}
            for it in found.near
        ],
        "read": {
            "from": rfc3339(found.from_ms),
            "to": None if scope.to_ms is None else rfc3339(scope.to_ms),
            "partitions": {topic: list(numbers) for topic, numbers in found.partitions.items()},
            "why": found.why,
            "looked_around": found.looked_around,
        },
    }


def show(found: Trace) -> None:
    """A trace for people: each step, what happened in a sentence, ids that are alike."""
    for step in found.story.steps:
        _show_step(step)
    if found.story.steps:
        out.print()
    out.print(Text(found.story.happened, style="bold"))
    _show_near(found)


def _show_step(step: Step) -> None:
    line = Text(rfc3339(step.at_ms), style="dim")
    evidence = step.evidence
    if evidence is None:
        line.append("  deadline or hold over", style="bold yellow")
    else:
        line.append(f"  {evidence.role:<12}", style=_STYLES[evidence.role])
        line.append(f" {evidence.place}")
    out.print(line)
    if evidence is not None:
        for text in _contents(evidence):
            out.print(Text(f"    {text}", style="dim"))
    for note in step.notes:
        out.print(Text(f"    {printable(note)}"))


def _contents(evidence: Evidence) -> list[str]:
    value = alert_value(evidence)
    key, raw = evidence.record.key, evidence.record.value
    lines = []
    if value is not None:
        try:
            lines.append(alert_line(value).plain)
        except (KeyError, TypeError):
            lines.append("an alert of another release")
    return [*lines, f"key {shown(key)}  value {shown(raw)}"]


def shown(raw: bytes | None) -> str:
    """Bytes for a terminal, cut where they are very many."""
    if raw is None:
        return "null"
    text = printable(raw[:RAW_SHOWN_MAX].decode(errors="backslashreplace"))
    return text if len(raw) <= RAW_SHOWN_MAX else f"{text}... ({len(raw)} bytes; --json has all)"


def _show_near(found: Trace) -> None:
    for near in found.near[:NEAR_SHOWN_MAX]:
        places = ", ".join(near.places)
        more = "" if near.records <= len(near.places) else ", ..."
        records = "1 record" if near.records == 1 else f"{near.records} records"
        line = f"Alike: {printable(near.order_id)!r} has {records} ({places}{more})"
        out.print(Text(line, style="yellow"))
    if len(found.near) > NEAR_SHOWN_MAX:
        out.print(Text(f"and {len(found.near) - NEAR_SHOWN_MAX} more that are alike"))


def _what_was_read(found: Trace, scope: Scope) -> str:
    until = "the end" if scope.to_ms is None else rfc3339(scope.to_ms)
    of_topics = ", ".join(
        f"{topic} {','.join(map(str, numbers))}" for topic, numbers in found.partitions.items()
    )
    around = "; the other partitions for ids that are alike" if found.looked_around else ""
    return (
        f"Read: {of_topics} ({found.why}), its alerts and all dead letters, from "
        f"{rfc3339(found.from_ms)} to {until}{around}. --from looks further back."
    )
