"""Workers that stand still while their partitions move, and wake again."""

import json
from pathlib import Path

from tests.faults.arena import Arena
from tests.faults.play import Outcome, play_all
from tests.faults.sabotage import Sabotage
from tests.faults.scenario import (
    Alone,
    Cont,
    Feed,
    Ready,
    Scenario,
    Start,
    Stop,
    Stopped,
    Told,
    Wait,
)

ZOMBIE = Scenario(
    "SIGSTOP for longer than the session, partitions move, SIGCONT",
    (Feed(60), Start(0), Ready(0), Start(1), Ready(1), Stop(0), Alone(1), Cont(0), Ready(0)),
)
IN_A_CHECKPOINT = Scenario(
    "SIGSTOP between the sends of a checkpoint and its commit",
    (
        Feed(60),
        Start(0, Sabotage("before_commit", nth=6, signal="SIGSTOP")),
        Stopped(0),
        Start(1),
        Alone(1),
        Told(30),
        Cont(0),
        Ready(0),
    ),
)


def before(step: str) -> Scenario:
    """A worker that was assigned partitions and wakes at this step, when another has them."""
    return Scenario(
        f"SIGSTOP of a new worker at {step}",
        (
            Feed(60),
            Start(0, Sabotage(step, signal="SIGSTOP")),
            Stopped(0),
            Start(1),
            Alone(1),
            Told(10),
            Cont(0),
            Wait(1.0),
            Ready(0),
            Ready(1),
        ),
    )


def test_a_worker_that_wakes_after_its_partitions_have_moved_adds_nothing_visible(
    lone: Arena, tmp_path: Path
) -> None:
    zombie, in_a_checkpoint, unfenced, fencing = play_all(
        [ZOMBIE, IN_A_CHECKPOINT, before("before_heartbeat"), before("before_fence")],
        lone,
        tmp_path,
    )

    for outcome in (zombie, in_a_checkpoint, unfenced, fencing):
        assert outcome.findings == {}
        assert outcome.restarts == 0
    assert lost_fences(in_a_checkpoint, 0) >= 1, "the old owner was not fenced"
    assert lost_fences(unfenced, 1) == lost_fences(fencing, 1) == 0, "the rightful owner was fenced"


def lost_fences(outcome: Outcome, worker: int) -> int:
    """How often a worker said that another one has its partition."""
    events = [json.loads(line).get("event") for line in outcome.texts[worker].splitlines()]
    return events.count("partition is owned by another worker")
