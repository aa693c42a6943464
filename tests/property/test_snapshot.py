"""A snapshot holds the whole state: who begins from one goes on as who restored the changelog."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from streams.investigate.open_orders import OpenOrders
from streams.investigate.snapshot import new_writer, read_snapshot
from streams.investigate.snapshot_parts import About
from streams.investigate.taking import Taking
from streams.state.changelog import State
from streams.watch import Watch
from tests.property import logs, moves
from tests.property.feeder import Worker, expected
from tests.property.logs import BASE_MS, Case
from tests.property.moves import Move
from tests.property.values import PARTITION, TOPICS

PARTITIONS = 8
ABOUT = About("test", PARTITIONS, *TOPICS, taken_at_ms=BASE_MS, returnwatch="0.0.0")
either_case = logs.cases | logs.cases_entered_inside


def restored(worker: Worker) -> State:
    """What a restore would give."""
    state = State()
    for key, value in worker.changelog.items():
        state.take(key, value)
    return state


def through_a_file(state: State, ending: str) -> State:
    """Written as one partition of a snapshot, and read back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"open{ending}")
        with new_writer(path, ABOUT) as writer:
            taking = Taking(OpenOrders(BASE_MS), writer)
            for partition in range(PARTITIONS):
                taking.add(partition, state if partition == PARTITION else State())
        snapshot = read_snapshot(path, [PARTITION])
    assert snapshot.about == ABOUT
    return snapshot.states[PARTITION]


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(case=either_case, before=moves.worker_moves, after=moves.worker_moves)
def test_a_watch_from_a_snapshot_goes_on_as_one_from_the_changelog(
    ending: str, case: Case, before: list[Move], after: list[Move]
) -> None:
    worker = Worker(case)
    for move in [*before, Move("commit")]:
        worker.make(move)

    state = through_a_file(restored(worker), ending)

    assert state == restored(worker)
    worker.watch = Watch(worker.duty, PARTITION, state)
    for move in after:
        if move.kind not in ("crash", "kill"):  # They would begin from the changelog again.
            worker.make(move)
    worker.finish()
    assert worker.outcome() == expected(case)
