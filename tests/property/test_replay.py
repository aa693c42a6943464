"""A replay's judge says what the naive model says, and the statement what became of each order."""

import io
from collections import Counter
from typing import Any, Final

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.alerts import Alert, encode_alert
from schemas.records import RETURNED, SUBMITTED
from schemas.times import rfc3339
from streams.core.decisions import Place
from streams.core.rules import Rule
from streams.core.sequence import NEVER_MS
from streams.investigate.judge import Judge, Timeline
from streams.investigate.reading import Reading
from streams.investigate.statement import LATE, TIMED_OUT, UNDECIDED, Statement, Totals
from streams.investigate.stretch import Portion
from tests.property import logs
from tests.property.feeder import Reader, expected
from tests.property.logs import BASE_MS, GRID_MS, Case, Step
from tests.property.model import Terms
from tests.property.values import PARTITION, TOPICS

QUIET: Final = [HealthCheck.too_slow, HealthCheck.data_too_large]
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=QUIET, phases=[Phase.generate]
)
batches = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 4)), max_size=12)
times = st.one_of(st.none(), st.integers(-2, 40).map(lambda step: BASE_MS + step * GRID_MS))


class Run:
    """A case read as a replay reads it: some batches, then the rest."""

    def __init__(self, case: Case, from_ms: int | None = None, to_ms: int | None = None) -> None:
        self.case = case
        self.reader = Reader(case)
        ends = (self.reader.ends[SUBMITTED], self.reader.ends[RETURNED])
        limit_ms = case.frontier_ms if to_ms is None else min(to_ms, case.frontier_ms)
        portion = Portion(
            PARTITION,
            starts=case.start,
            ends=ends,
            until=ends,
            proven_ms=case.frontier_ms,
            from_ms=NEVER_MS if from_ms is None else from_ms,
            to_ms=limit_ms,
        )
        self.told: list[Alert] = []
        self.file = io.BytesIO()
        self.statement = Statement(portion, Totals(), self.file)
        place = Place(*TOPICS, PARTITION)
        self.judge = Judge(place, portion, Timeline(case.terms.policy), self.told.extend)
        self.judge.account = self.statement
        self.reading = Reading(portion, (self.judge,))

    def read(self, some: list[tuple[int, int]]) -> None:
        self.reading.work()
        for side, count in some:
            self.take(side, count)
        for side in (SUBMITTED, RETURNED):
            self.take(side, 1_000)
        assert self.reading.is_done
        self.statement.finish(self.judge.tracker.book.orders)

    def take(self, side: int, count: int) -> None:
        if not self.reading.wants(side):
            return
        position = self.reading.sequence.position(side)
        self.reading.feed(side, *self.reader.batch(side, position, count))
        self.reading.work()

    def alerts(self) -> dict[str, list[tuple[str, bytes]]]:
        found: dict[str, list[tuple[str, bytes]]] = {}
        for alert in self.told:
            row = (rfc3339(alert.effect_ms), encode_alert(alert))
            found.setdefault(alert.order_id, []).append(row)
        return found

    def rows(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.file.getvalue().splitlines()]


def without_gap(case: Case) -> bool:
    return case.terms.gap_until_ms == 0


whole = logs.cases.filter(without_gap)


@quick
@given(case=whole, some=batches, from_ms=times, to_ms=times)
def test_a_stretch_tells_what_takes_effect_in_it_by_time_however_it_is_read(
    case: Case,
    some: list[tuple[int, int]],
    from_ms: int | None,
    to_ms: int | None,
) -> None:
    run = Run(case, from_ms, to_ms)

    run.read(some)

    begin = rfc3339(from_ms or 0)
    limit_ms = case.frontier_ms if to_ms is None else min(to_ms, case.frontier_ms)
    wanted = {
        order_id: inside
        for order_id, rows in expected(case, limit_ms).alerts.items()
        if (inside := [row for row in rows if row[0] >= begin])
    }
    assert run.alerts() == wanted
    effects = [alert.effect_ms for alert in run.told]
    assert effects == sorted(effects)


@quick
@given(case=whole, some=batches, from_ms=times, to_ms=times)
def test_the_statement_is_the_same_however_it_is_read(
    case: Case,
    some: list[tuple[int, int]],
    from_ms: int | None,
    to_ms: int | None,
) -> None:
    run, at_once = Run(case, from_ms, to_ms), Run(case, from_ms, to_ms)

    run.read(some)
    at_once.read([])

    assert sorted(map(orjson.dumps, run.rows())) == sorted(map(orjson.dumps, at_once.rows()))
    assert run.statement.totals.orders == at_once.statement.totals.orders


@pytest.mark.parametrize("beside", [[], [Step(SUBMITTED, "times-out-before-it", 0)]])
def test_a_submission_told_again_after_its_end_is_no_order_of_its_own(beside: list[Step]) -> None:
    """Not even where a return closes the order once more, as a newer attempt."""
    log = logs.logs_of(
        [
            *beside,
            Step(SUBMITTED, "a", 0),
            Step(RETURNED, "a", 500, (("outcome", "accepted"),)),
            Step(SUBMITTED, "a", 2_000),
            Step(RETURNED, "a", 0, (("attempt", 2), ("outcome", "accepted"))),
            Step(SUBMITTED, "a", 1, (("attempt", 2),)),
        ]
    )
    run = Run(Case(log, Terms(Rule("quick", 2_000), 1_500, 4_000), logs.end_of(log)))

    run.read([])

    assert [(row["end"], row["order_id"], row["attempt"]) for row in run.rows()] == [
        ("in time", "a", 1),
        *(("timed out", it.order_id, 1) for it in beside),
    ]


@quick
@given(case=whole, some=batches)
def test_the_statement_agrees_with_the_alerts(case: Case, some: list[tuple[int, int]]) -> None:
    run = Run(case)

    run.read(some)

    ends = Counter(row["end"] for row in run.rows())
    kinds = Counter(alert.type for alert in run.told)
    assert ends[LATE] == kinds["returned_late"]
    assert ends[TIMED_OUT] <= kinds["timed_out"]
    assert sum(ends.values()) == run.statement.totals.orders.total()
    still_open = sum(packed[0] == 1 for packed in run.judge.tracker.book.orders.values())
    assert ends[UNDECIDED] == still_open


def test_an_order_that_is_sent_anew_right_after_it_was_forgotten_has_two_ends() -> None:
    steps = [
        logs.Step(SUBMITTED, "a", 0, (("attempt", 3), ("ago_ms", 3_000))),  # Times out at once.
        logs.Step(SUBMITTED, "a", 1_501, (("ago_ms", 3_000),)),
        logs.Step(RETURNED, "a", 1, (("outcome", "accepted"),)),
    ]
    log = logs.logs_of(steps)
    run = Run(Case(log, logs.TERMS[2], logs.end_of(log)))

    run.read([])

    assert [alert.type for alert in run.told] == ["timed_out", "timed_out", "returned_late"]
    assert [(row["attempt"], row["end"]) for row in run.rows()] == [(3, TIMED_OUT), (1, LATE)]
