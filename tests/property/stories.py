"""A story: what happened to one order, in seconds, and the alerts it leads to, in words.

`told` runs a story through the real core and through the model, asserts that both say the same,
and gives the alerts as `(second of effect, type, the fields asked for)`.
"""

from dataclasses import replace
from typing import Any, Final

from schemas.alerts import read_alert
from schemas.records import RETURNED, SUBMITTED
from schemas.times import milliseconds
from streams.core.rules import Rule
from tests.property.feeder import CoreRun, expected
from tests.property.logs import BASE_MS, Case, Step, logs_of
from tests.property.model import Terms
from tests.property.moves import TO_THE_END

ORDER_ID: Final = "order-4711"
RULE: Final = Rule("default", return_within_ms=10_000, max_ms=20_000)
TERMS: Final = Terms(RULE, hold_ms=20_000, remember_ms=60_000)  # 10 s to return, 20 s, 60 s.
ALL_S: Final = 240  # The frontier of a story that is told to its end.

Event = tuple[float, str, dict[str, Any]]
Alerts = list[tuple[Any, ...]]


def submitted(at_s: float, **fields: Any) -> Event:
    """A submission that arrives at a second, sent then unless `ago_s` says earlier."""
    return at_s, "submitted", fields


def returned(at_s: float, outcome: str = "accepted", **fields: Any) -> Event:
    """A return that arrives at a second."""
    return at_s, "returned", {"outcome": outcome, **fields}


def unreadable(at_s: float, side: str = "returned") -> Event:
    """A record of the order that is no JSON."""
    return at_s, side, {"garbage": 0}


def told(*story: Event, until_s: float = ALL_S, show: tuple[str, ...] = (), **terms: Any) -> Alerts:
    """The alerts of a story, up to a frontier; `terms` change the times it is judged by."""
    logs = logs_of(_steps(story))
    frontier_ms = BASE_MS + round(until_s * 1000)
    case = Case(logs, replace(TERMS, **terms), frontier_ms)
    run = CoreRun(case)

    run.finish(TO_THE_END)

    outcome = run.outcome()
    assert outcome == expected(case), "the core says something else than the model"
    alerts: Alerts = []
    for effect, value in outcome.alerts.get(ORDER_ID, []):
        alert = read_alert(value)
        second = (milliseconds(effect) - BASE_MS) / 1000
        alerts.append((second, alert["type"], *(alert.get(name) for name in show)))
    return alerts


def _steps(story: tuple[Event, ...]) -> list[Step]:
    steps: list[Step] = []
    now_s = 0.0
    for at_s, side, given in story:
        fields = dict(given)
        garbage = fields.pop("garbage", None)
        if "ago_s" in fields:
            fields["ago_ms"] = round(fields.pop("ago_s") * 1000)
        steps.append(
            Step(
                SUBMITTED if side == "submitted" else RETURNED,
                ORDER_ID,
                wait_ms=round((at_s - now_s) * 1000),
                fields=tuple(fields.items()),
                garbage=garbage,
            )
        )
        now_s = at_s
    return steps
