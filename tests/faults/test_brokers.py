"""Brokers that stop, die and stand still; a leader and a coordinator lost out of three."""

from pathlib import Path

import pytest

from tests.faults.arena import Arena
from tests.faults.play import play
from tests.faults.sabotage import Sabotage
from tests.faults.scenario import (
    Answer,
    BrokerDown,
    BrokerPause,
    BrokerUp,
    Feed,
    MinIsr,
    Ready,
    Scenario,
    Start,
    Submit,
    Wait,
)

CALM_LATE_MS_MAX = 10_000  # When all is well again, on a machine that has other things to do.


def test_a_broker_killed_and_standing_still_changes_nothing_that_is_told(
    lone: Arena, tmp_path: Path
) -> None:
    scenario = Scenario(
        "the only broker dies and stands still",
        (
            Feed(60),
            Start(0),
            Ready(0),
            Wait(0.5),
            BrokerDown(0, "kill"),
            BrokerUp(),
            Wait(1.0),
            BrokerPause(2.5),
        ),
    )

    outcome = play(scenario, lone, tmp_path)

    assert outcome.findings == {}
    assert outcome.latest_calm_ms < CALM_LATE_MS_MAX


def test_of_three_brokers_any_can_be_lost_and_writes_refused_and_nothing_changes_that_is_told(
    trio: Arena, tmp_path: Path
) -> None:
    scenario = Scenario(
        "a return waits above the high watermark for a dead follower; writes are refused below min "
        "ISR; then the leader stops and the transaction coordinator dies",
        (
            Start(0),
            Ready(0),
            Submit("answered"),
            BrokerDown("follower", "kill"),
            Answer("answered"),
            Feed(60),
            MinIsr(3),
            Wait(1.5),
            BrokerUp(),
            MinIsr(2),
            BrokerDown("leader", "stop"),
            Wait(2.0),
            BrokerUp(),
            BrokerDown("coordinator", "kill"),
            Wait(2.0),
        ),
        partitions=1,
    )

    outcome = play(scenario, trio, tmp_path)

    assert outcome.findings == {}
    assert outcome.latest_calm_ms < CALM_LATE_MS_MAX


@pytest.mark.faults
def test_without_the_logs_end_a_dead_follower_makes_a_false_alarm(
    trio: Arena, tmp_path: Path
) -> None:
    scenario = Scenario(
        "the high watermark is taken for the end while a dead follower holds it back",
        (
            Start(0, Sabotage(broken="log end")),
            Ready(0),
            Submit("answered"),
            BrokerDown("follower", "kill"),
            Answer("answered"),
        ),
        partitions=1,
    )

    outcome = play(scenario, trio, tmp_path)

    assert "false" in outcome.findings, outcome.report
