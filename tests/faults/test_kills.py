"""kill -9 of workers, at random instants and at every named step of a checkpoint."""

from pathlib import Path

from tests.faults.arena import Arena
from tests.faults.play import play_all
from tests.faults.sabotage import CHECKPOINT_STEPS, Sabotage
from tests.faults.scenario import Ended, Feed, Kill, Ready, Scenario, Start, Step, Wait

AT_RANDOM = Scenario(
    "kill -9 at random instants",
    (
        Feed(80),
        Start(),
        Ready(),
        Wait(0.7),
        Kill(),
        Start(),
        Wait(1.9),
        Kill(),
        Start(),
        Ready(),
        Wait(0.05),
        Kill(),
        Start(),
    ),
)


def at_steps(names: tuple[str, ...]) -> Scenario:
    """A worker that ends at each of these, one after another."""
    kills: list[Step] = []
    for name in names:
        kills += [Start(0, Sabotage(name, nth=3)), Ended(0)]
    return Scenario(f"kill -9 at {', '.join(names)}", (Feed(60), *kills, Start()))


def test_a_kill_at_any_instant_and_at_each_step_of_a_checkpoint_changes_nothing_that_is_told(
    lone: Arena, tmp_path: Path
) -> None:
    by_step = [at_steps(CHECKPOINT_STEPS[at : at + 3]) for at in range(0, len(CHECKPOINT_STEPS), 3)]

    outcomes = play_all([AT_RANDOM, *by_step], lone, tmp_path)

    assert [outcome.findings for outcome in outcomes] == [{}] * (1 + len(by_step))
