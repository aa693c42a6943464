"""A worker whose clock is wrong: it says nothing it cannot know, and goes on when it is mended."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.broker.orders import Desk
from tests.broker.process import ChildProcess
from tests.broker.topics import Names, create_topics
from tests.broker.worker import WorkerProcess

pytestmark = pytest.mark.real_kafka

QUICK: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "1",
    "RETURNWATCH_GRACE_S": "0.6",
    "RETURNWATCH_HOLD_S": "2",
    "RETURNWATCH_REMEMBER_S": "30",
}
AHEAD_MS: Final = 5_000
ROOT: Final = Path(__file__).parents[2]

# The worker as it is, but for a wall clock that is ahead by what a file says.
AHEAD: Final = """
import sys
from pathlib import Path
from streams import site
true_ms, ahead = site.wall_ms, Path(sys.argv.pop(1))
site.wall_ms = lambda: true_ms() + int(ahead.read_text())
from streams.entry import main
main()
"""


def test_a_worker_whose_clock_is_ahead_proves_nothing_says_so_and_goes_on_when_it_is_set(
    bootstrap: str, names: Names, tmp_path: Path
) -> None:
    create_topics(bootstrap, names.topics())
    ahead, desk = tmp_path / "ahead", Desk(bootstrap, names)
    ahead.write_text(str(AHEAD_MS))

    def spawn(output: Path, *, env: Mapping[str, str], cwd: Path) -> ChildProcess:
        command = [sys.executable, "-c", AHEAD, str(ahead), "worker"]
        return ChildProcess(command, output, env={**env, "PYTHONPATH": str(ROOT)}, cwd=cwd)

    with WorkerProcess(names.env(bootstrap, **QUICK), tmp_path, spawn=spawn) as worker:
        while "ms ahead of the broker's" not in worker.page("/readyz")[1]:
            assert worker.returncode is None, worker.text()
            time.sleep(0.05)
        desk.submit("lost", "answered")
        time.sleep(0.5)
        desk.answer("answered")
        time.sleep(2)  # Its own clock has been past deadline and grace from the start.
        told_meanwhile = desk.told()
        status, why = worker.page("/readyz")
        ahead.write_text("0")

        assert told_meanwhile == []
        assert status == 503
        assert "absence cannot be proven" in why
        assert [alert["order_id"] for alert in desk.wait_for_alerts(1)] == ["lost"]
        worker.wait_until_ready()
        assert desk.told() == [("timed_out", "lost")]
