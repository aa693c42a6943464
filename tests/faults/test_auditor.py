"""The auditor's own reading of the design and the worker's core say the same of any log."""

from collections import defaultdict
from typing import Final

from hypothesis import HealthCheck, given, settings

from schemas.times import rfc3339
from streams.core.rules import Rule
from tests.events import read_return, read_submission
from tests.faults.verdicts import Line, Terms, due_alerts
from tests.faults.wording import Place
from tests.property import logs
from tests.property.feeder import CoreRun
from tests.property.model import Logs
from tests.property.model import Terms as CoreTerms
from tests.property.values import PARTITION, TOPICS

TERMS: Final = Terms(return_within_ms=2_000, grace_ms=0, hold_ms=1_500, remember_ms=4_000)
RULE: Final = Rule("default", return_within_ms=2_000)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=logs.steps)
def test_the_auditor_and_the_core_say_the_same_of_any_log(steps: list[logs.Step]) -> None:
    written = logs.logs_of(steps)
    terms = CoreTerms(RULE, hold_ms=TERMS.hold_ms, remember_ms=TERMS.remember_ms)
    run = CoreRun(logs.Case(written, terms, logs.end_of(written)))
    run.finish(10_000)

    audited = defaultdict(list)
    for due in due_alerts(lines_of(written), Place(*TOPICS, PARTITION), TERMS):
        audited[due.order_id].append((rfc3339(due.effect_ms), due.value))

    assert audited == run.outcome().alerts


def lines_of(written: Logs) -> list[Line]:
    """Both logs as the auditor reads them."""
    lines = []
    for side, read in enumerate((read_submission, read_return)):
        arrival_ms = -1
        for record in written[side]:
            arrival_ms = max(arrival_ms, record.timestamp_ms)
            lines.append(Line(arrival_ms, side, record.offset, record.key, read(record)))
    return lines
