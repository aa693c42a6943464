"""What a checkpoint writes to each topic: alerts, dead letters and counts, as records."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.alerts import Alert
from schemas.codec import alert_headers, dead_letter_headers, encode_alert
from schemas.records import Record
from schemas.stats import StatsJson, encode_stats
from streams.core.decisions import Decision

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Outlet:
    """The topics that are written, and by which app; `stats` is None where nothing is counted."""

    app_id: str
    alerts: str
    dead_letters: str
    stats: str | None


def outputs(
    outlet: Outlet, found: tuple[Iterable[Decision], Iterable[StatsJson]], run: Headers
) -> dict[str, list[Record]]:
    """Decisions and counts as records by topic; `run` are the headers that say who decided."""
    decisions, stats = found
    alerts: list[Record] = []
    letters: list[Record] = []
    for decision in decisions:
        if isinstance(decision, Alert):
            alerts.append(_alert(outlet, decision, run))
        else:
            record = decision.unreadable.record
            headers = dead_letter_headers(decision)
            letters.append(Record(0, record.timestamp_ms, record.key, record.value, headers))
    by_topic = {outlet.alerts: alerts, outlet.dead_letters: letters}
    if outlet.stats is not None:
        by_topic[outlet.stats] = [
            Record(0, -1, str(it.partition).encode(), encode_stats(it), ()) for it in stats
        ]
    return {topic: rows for topic, rows in by_topic.items() if rows}


def _alert(outlet: Outlet, alert: Alert, run: Headers) -> Record:
    headers = [*alert_headers(alert, f"/returnwatch/{outlet.app_id}"), *run]
    return Record(0, -1, alert.order_id.encode(), encode_alert(alert), headers)
