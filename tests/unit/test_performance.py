"""What the demo takes for its outage, of the incidents that were told."""

from typing import Any, Final, cast

from schemas.incidents import Incident, RankedCause, Scope
from streams.core.incidents.fault import Fault
from streams.demo.performance import Performance
from streams.demo.traffic import BROKEN_PROVIDER, OUTAGE_IN_RUNS_OF_S, Plan

EVERYTHING: Final = Scope()
BROKEN: Final = Scope(BROKEN_PROVIDER)


def told(scope: Scope, cause: Any = "system_failure") -> Incident:
    at = (scope.provider, scope.merchant, scope.kind)
    fault = Fault(10, 10, "lost", at, at, 10, causes=(RankedCause(cause, 1000, ()),))
    return fault.tell("opened", 10)


def performance(seconds: int, *incidents: Incident) -> Performance:
    plan = Plan(seconds, orders_per_s=20, seed=1, return_within_ms=2_000, hold_ms=3_000)
    nobody = cast(Any, None)
    return Performance(nobody, plan, nobody, incidents=list(incidents))


def test_the_broken_providers_own_incident_is_taken_before_one_of_all_orders() -> None:
    own, wide = told(BROKEN), told(EVERYTHING)

    assert performance(OUTAGE_IN_RUNS_OF_S, wide, own, wide).outage == own
    assert performance(OUTAGE_IN_RUNS_OF_S, wide).outage == wide


def test_what_concerns_a_part_of_the_other_orders_is_no_outage() -> None:
    elsewhere = told(Scope(merchant="toyshop"), "network")

    assert performance(OUTAGE_IN_RUNS_OF_S, elsewhere).outage is None


def test_a_run_too_short_for_an_outage_has_none() -> None:
    assert performance(OUTAGE_IN_RUNS_OF_S - 1, told(EVERYTHING), told(BROKEN)).outage is None
