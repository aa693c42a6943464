"""The long run: `pytest -m faults --rounds N`, with N random scenarios of each family."""

import random
from pathlib import Path

import pytest

from tests.faults.play import play
from tests.faults.stories import ARENAS, FAMILIES, story
from tests.faults.summary import ROWS, Row


@pytest.mark.faults
@pytest.mark.parametrize("family", FAMILIES)
def test_rounds(family: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    rounds = request.config.getoption("rounds")
    arena = request.getfixturevalue(ARENAS.get(family, "lone"))
    seed = request.config.getoption("seed")
    first = random.randrange(10**6) if seed is None else seed
    row = Row(family)
    request.config.stash.setdefault(ROWS, []).append(row)

    failed = []
    for number in range(first, first + rounds):
        scenario = story(family, number)
        outcome = play(scenario, arena, tmp_path)
        row.add(scenario, outcome)
        if outcome.findings:
            failed.append(f"--rounds 1 --seed {number} -k '{family}': {outcome.report}")

    assert not failed, "\n".join(["again: pytest -m faults ...", *failed])
