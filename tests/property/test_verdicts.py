"""The real core says what the naive model says: however the log is cut, and whatever crashes."""

from collections import Counter
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from schemas.records import RETURNED, SUBMITTED, Unreadable
from streams import watch as watch_module
from tests.property import logs, moves
from tests.property.feeder import CoreRun, Worker, expected
from tests.property.logs import Case
from tests.property.model import OrderModel, sequence, verdicts
from tests.property.moves import Move

QUIET: Final = [HealthCheck.too_slow, HealthCheck.data_too_large]
either_case = logs.cases | logs.cases_entered_inside


@settings(max_examples=600, deadline=None, suppress_health_check=QUIET)
@given(case=logs.cases, steps=moves.core_moves, limit=moves.limits)
def test_verdicts_do_not_depend_on_how_the_log_is_read(
    case: Case, steps: list[Move], limit: int
) -> None:
    run = CoreRun(case)

    for move in steps:
        run.make(move)
    run.finish(limit)

    assert run.outcome() == expected(case)
    read = [entry for entry in sequence(case.logs) if entry.arrival_ms < case.frontier_ms]
    assert run.worked == len(read)
    assert run.sequence.records_behind_frontier == 0


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(case=either_case, steps=moves.core_moves, limit=moves.limits)
def test_what_is_told_at_any_frontier_is_what_is_proven_up_to_it(
    case: Case, steps: list[Move], limit: int
) -> None:
    run = CoreRun(case)

    for move in steps:
        run.make(move)
        assert run.sequence.frontier_ms <= case.frontier_ms
        if move.kind == "take":
            run.settle(limit)
            assert run.outcome() == expected(case, run.sequence.frontier_ms)


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(case=logs.cases, steps=moves.worker_moves, overdue_max=moves.limits, waiting=moves.limits)
def test_a_crash_between_any_two_steps_neither_loses_nor_repeats_an_alert(
    case: Case, steps: list[Move], overdue_max: int, waiting: int
) -> None:
    worker = worked(Worker(case), steps, (overdue_max, waiting))

    assert worker.outcome() == expected(case)


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(case=logs.cases_entered_inside, steps=moves.worker_moves, overdue_max=moves.limits)
def test_a_log_entered_inside_is_quiet_about_submissions_it_cannot_know(
    case: Case, steps: list[Move], overdue_max: int
) -> None:
    worker = worked(Worker(case), steps, (overdue_max, 1_000))

    assert worker.outcome() == expected(case)
    assert worker.watch.header.cut_ms == case.terms.cut_ms


def test_a_frontier_that_stops_exactly_at_a_deadline_does_not_lose_it() -> None:
    log = logs.logs_of([logs.Step(SUBMITTED, "a", wait_ms=logs.GRID_MS)])
    case = Case(log, logs.TERMS[0], logs.end_of(log))
    run = CoreRun(case)

    for move in (Move("read", count=1), Move("prove", SUBMITTED), Move("prove", RETURNED)):
        run.make(move)
    run.make(Move("take", count=5))  # The deadline: sent at 0.5 s, 2 s to return.
    run.settle(1)
    told_at_deadline = run.outcome().alerts
    run.finish(1)

    assert told_at_deadline == {}
    assert run.outcome() == expected(case)


def worked(worker: Worker, steps: list[Move], limits: tuple[int, int]) -> Worker:
    """The worker at the end of its log, with small limits on what it does in a step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch_module, "OVERDUE_ORDERS_MAX", limits[0])
        patch.setattr(watch_module, "DECISIONS_MAX", limits[1])
        for move in steps:
            worker.make(move)
        worker.finish()
    return worker


def test_the_logs_reach_every_kind_of_verdict() -> None:
    seen: Counter[str] = Counter()

    @settings(
        max_examples=800,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=QUIET,
    )
    @given(case=either_case)
    def count(case: Case) -> None:
        seen.update(kinds_in(case))

    count()

    rare = {kind: seen[kind] for kind in KINDS if seen[kind] < 5}
    assert rare == {}, seen


KINDS: Final = (
    *("timed_out", "returned_late", "unmatched_return", "conflicting_return"),
    *("held", "reopened", "forgotten", "unreadable"),
    *("with interim", "with older", "with unreadable", "late for an earlier attempt"),
    *("conflict of a held order", "held kept quiet", "held opens", "withheld"),
)


def kinds_in(case: Case) -> set[str]:
    """What happens in a log, by watching the model walk it."""
    found = verdicts(case.logs, case.terms, frontier_ms=case.frontier_ms)
    kinds = phases_in(case) | ({"unreadable"} if found.dead_letters else set())
    for told in (told for alerts in found.alerts.values() for told in alerts):
        value = told.value
        kinds.add(value["type"])
        kinds |= {f"with {name}" for name in ("interim", "older", "unreadable") if value.get(name)}
    return kinds


def phases_in(case: Case) -> set[str]:
    """The rarer moves between rows of the table."""
    kinds: set[str] = set()
    orders: dict[str, OrderModel] = {}
    for entry in sequence(case.logs):
        if isinstance(entry.event, Unreadable):
            continue
        order = orders.setdefault(entry.event["order_id"], OrderModel(case.terms))
        was_known, told_before = order.phase != "unknown", len(order.told)
        order.settle(entry.arrival_ms)
        if order.phase == "timed_out" and order.withheld:
            kinds.add("withheld")
        before, was_late = order.phase, order.late is not None
        order.work(entry)
        after = order.phase
        if was_known and before == "unknown":
            kinds.add("forgotten")
        if (before, after) == ("closed", "open"):
            kinds.add("reopened")
        if after == "held":
            kinds |= {"held"} | ({"held kept quiet"} if case.terms.cut_ms else set())
            kinds |= {"conflict of a held order"} if len(order.told) > told_before else set()
        if (before, after) == ("held", "open"):
            kinds.add("held opens")
        if (before, after) == ("open", "closed") and was_late:
            kinds.add("late for an earlier attempt")
    return kinds
