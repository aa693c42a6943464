"""Workers that join and leave all the time; upstream transactions that abort and hang."""

from pathlib import Path

from tests.faults.arena import Arena
from tests.faults.play import play_all
from tests.faults.scenario import (
    Close,
    Feed,
    Kill,
    Leave,
    Open,
    Poison,
    Ready,
    Scenario,
    Start,
    Submit,
    Wait,
)

STORM = Scenario(
    "workers join, leave and die",
    (
        Feed(60),
        Start(0),
        Start(1),
        Ready(0),
        Leave(0),
        Start(2),
        Start(0),
        Wait(1.5),
        Leave(1),
        Kill(2),
        Start(1),
        Poison(20),
        Ready(1),
        Leave(0),
        Start(2),
    ),
    partitions=4,
)
UPSTREAM = Scenario(
    "returns in transactions that are aborted, committed late and left hanging",
    (
        Feed(30),
        Start(0),
        Ready(0),
        Submit("aborted"),
        Submit("late"),
        Open(("aborted",)),
        Wait(0.3),
        Close("abort"),
        Open(("late",)),
        Wait(2.0),
        Close("commit"),
        Submit("hanging"),
        Open(("hanging",), hangs_s=3),
        Close("abandon"),
        Wait(1.0),
    ),
)


def test_workers_and_transactions_that_come_and_go_change_nothing_that_is_told(
    lone: Arena, tmp_path: Path
) -> None:
    outcomes = play_all([STORM, UPSTREAM], lone, tmp_path)

    assert [outcome.findings for outcome in outcomes] == [{}, {}]
    assert [outcome.restarts for outcome in outcomes] == [0, 0]
