"""A network between workers and broker that is cut, slow, or carries one way only."""

from pathlib import Path

from tests.faults.arena import Arena
from tests.faults.play import play
from tests.faults.scenario import Feed, Net, Ready, Scenario, Start, Wait


def test_a_network_that_is_cut_slow_or_one_way_changes_nothing_that_is_told(
    lone: Arena, tmp_path: Path
) -> None:
    scenario = Scenario(
        "cut, slow, deaf, dumb",
        (
            Feed(60),
            Start(0),
            Ready(0),
            Net("cut"),
            Wait(1.0),
            Net("pass"),
            Wait(1.0),
            Net("delay", 0.1),
            Wait(1.5),
            Net("drop to worker"),
            Wait(2.5),
            Net("pass"),
            Wait(1.0),
            Net("drop to broker"),
            Wait(2.5),
            Net("pass"),
        ),
        proxied=True,
    )

    outcome = play(scenario, lone, tmp_path)

    assert outcome.findings == {}
    assert lone.proxy is not None
    assert lone.proxy.passed_bytes > 0
    assert lone.proxy.dropped_bytes > 0
