"""The rows of a log are the same, however it is read, and whatever crashes."""

from collections import Counter as Counts
from typing import Final

import msgspec
from hypothesis import HealthCheck, Phase, given, settings

from schemas.stats import StatsRow, StatsSecond
from tests.property import logs, moves
from tests.property.counting import Counter
from tests.property.feeder import expected
from tests.property.logs import Case
from tests.property.moves import Move

QUIET: Final = [HealthCheck.too_slow, HealthCheck.data_too_large]
either_case = logs.cases | logs.cases_entered_inside


def rows_at_once(case: Case) -> list[bytes]:
    return Counter(case).finish()


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(case=either_case, steps=moves.core_moves, limit=moves.limits)
def test_rows_do_not_depend_on_how_the_log_is_read(
    case: Case, steps: list[Move], limit: int
) -> None:
    counter = Counter(case, limit)

    for move in steps:
        if move.kind != "advance":
            counter.make(move)

    assert counter.finish() == rows_at_once(case)


@settings(max_examples=400, deadline=None, suppress_health_check=QUIET)
@given(case=either_case, steps=moves.worker_moves, limit=moves.limits)
def test_a_crash_between_any_two_steps_leaves_the_rows_as_they_were(
    case: Case, steps: list[Move], limit: int
) -> None:
    counter = Counter(case, limit)

    for move in steps:
        counter.make(move)

    assert counter.finish() == rows_at_once(case)


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(case=logs.cases)
def test_the_rows_add_up_to_the_verdicts(case: Case) -> None:
    counter = Counter(case)
    counter.finish()
    counter.tally.pass_to(case.frontier_ms + 2_000)  # Close the last second, too.
    counter.commit()

    outcome = expected(case)
    told = Counts(
        {"timed_out": 0, "returned_late": 0, "unmatched_return": 0, "conflicting_return": 0}
    )
    for alerts in outcome.alerts.values():
        told.update(msgspec.json.decode(value)["type"] for _, value in alerts)
    rows = [row for second in counter.told for row in second.rows]
    assert sum(row.timed_out for row in rows) == told["timed_out"]
    assert sum(row.returned_late for row in rows) == told["returned_late"]
    assert sum(row.unmatched for row in rows) == told["unmatched_return"]
    assert sum(row.conflicting for row in rows) == told["conflicting_return"]
    letters = sum(letters.count for row in rows for letters in row.dead_letters)
    assert letters == len(outcome.dead_letters)
    states = {state.name: count for state, count in counter.tracker.book.states()}
    assert total_open(counter.told) == states["OPEN"]


def total_open(seconds: list[StatsSecond]) -> int:
    """Open orders at the end, from the newest row of each scope."""
    newest = {row.scope: row.open_orders for second in seconds for row in second.rows}
    return sum(newest.values())


def test_the_logs_reach_every_count() -> None:
    seen: Counts[str] = Counts()

    @settings(
        max_examples=500,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=QUIET,
    )
    @given(case=either_case)
    def count(case: Case) -> None:
        for value in rows_at_once(case):
            for row in msgspec.json.decode(value, type=StatsSecond).rows:
                seen.update(name for name in COUNTS if getattr(row, name))

    count()

    assert {name: seen[name] for name in COUNTS if seen[name] < 5} == {}


# All but `cancelled`, which no log here has.
COUNTS: Final = tuple(name for name in StatsRow.__struct_fields__[4:] if name != "cancelled")
