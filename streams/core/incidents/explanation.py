"""Why one order timed out: the incident it is a part of, or none, and then it is isolated."""

from collections.abc import Iterable
from typing import Any

from schemas.incidents import Incident
from schemas.times import milliseconds

BEFORE_MS = 60_000  # An order can be lost so long before the first sign that was counted.


def explain(alert: dict[str, Any], incidents: Iterable[Incident]) -> Incident | None:
    """Of the newest states of incidents the one that a `timed_out` alert belongs to: its scope
    covers the order, and its time-out falls into it. The narrowest of several."""
    effect_ms = milliseconds(alert["deadline"])
    names = (alert.get("provider"), alert.get("merchant"), alert.get("kind"))
    fitting = [
        incident
        for incident in incidents
        if incident.cause != "monitor"
        and incident.scope.covers(*names)
        and milliseconds(incident.since) - BEFORE_MS <= effect_ms
        and (incident.until is None or effect_ms <= milliseconds(incident.until))
    ]
    return max(fitting, key=_narrowness, default=None)


def _narrowness(incident: Incident) -> tuple[int, str]:
    scope = incident.scope
    named = sum(name is not None for name in (scope.provider, scope.merchant, scope.kind))
    return named, incident.incident_id
