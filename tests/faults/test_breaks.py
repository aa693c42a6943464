"""The harness is itself proved: without what a guarantee stands on, the auditor finds it out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.arena import Arena
from tests.faults.play import Outcome, play
from tests.faults.sabotage import BREAKS, Sabotage
from tests.faults.scenario import (
    Alone,
    Answer,
    Close,
    Cont,
    Ended,
    Feed,
    Kill,
    Open,
    Ready,
    Scenario,
    Settled,
    Start,
    Step,
    Stopped,
    Submit,
    Told,
    Wait,
)

PATIENCE_S = 6.0  # For what is lost for good.


def broken(name: str, step: str = "", nth: int = 1, *, signal: str = "SIGKILL") -> Sabotage:
    return Sabotage(step, nth, signal, broken=name)


def killed_between(name: str) -> tuple[Step, ...]:
    return (Feed(60), Start(0, broken(name, "between", 3)), Ended(0), Start(0), Ready(0))


# What the auditor has to find, and the story that brings it out.
STORIES: dict[str, tuple[str, tuple[Step, ...]]] = {
    "fence": (
        "repeated",
        (
            Feed(60),
            Start(0, broken("fence", "before_send:alerts", 3, signal="SIGSTOP")),
            Stopped(0),
            Start(1, broken("fence")),
            Alone(1),
            Told(30),
            Cont(0),
            Wait(1.0),
        ),
    ),
    "barrier: alerts before the header": (
        "repeated",
        killed_between("barrier: alerts before the header"),
    ),
    "barrier: header before the alerts": (
        "lost",
        killed_between("barrier: header before the alerts"),
    ),
    "deduplication: closed orders": (
        "false",
        (
            Start(0),
            Ready(0),
            Submit("answered"),
            Answer("answered"),
            Settled(),
            Kill(0),
            Start(0, broken("deduplication: closed orders")),
            Ready(0),
            Answer("answered"),
            Wait(1.5),
        ),
    ),
    "deduplication: offsets": (
        "repeated",
        (
            Feed(60),
            Start(0),
            Told(10),
            Kill(0),
            Start(0, broken("deduplication: offsets")),
            Ready(0),
        ),
    ),
    "frontier proof": (
        "false",
        (
            Start(0, broken("frontier proof")),
            Ready(0),
            Open(("answered",)),
            Submit("answered"),
            Told(1),
            Close("commit"),
        ),
    ),
}


@pytest.fixture(scope="module")
def outcomes(lone: Arena, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Outcome]]:
    """All of them side by side: each waits more than it works."""
    folder: Path = tmp_path_factory.mktemp("breaks")
    scenarios = [
        Scenario(f"without the {name}", steps, partitions=1, patience_s=PATIENCE_S)
        for name, (_, steps) in STORIES.items()
    ]
    with ThreadPoolExecutor(len(scenarios)) as pool:
        played = pool.map(lambda scenario: play(scenario, lone, folder), scenarios)
        yield dict(zip(STORIES, played, strict=True))


@pytest.mark.parametrize("name", BREAKS)
def test_each_break_turns_the_auditor_red(outcomes: dict[str, Outcome], name: str) -> None:
    expected, _ = STORIES[name]

    assert expected in outcomes[name].findings, outcomes[name].report
