"""What a worker counts: the same rows whatever kills it, and heartbeats while nothing happens."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from schemas.stats import Heartbeat, Stats, StatsRecord, read_stats
from tests.broker.orders import Desk
from tests.broker.records import read_all
from tests.broker.topics import Names, create_topics
from tests.broker.worker import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

QUICK = {
    "RETURNWATCH_RETURN_WITHIN_S": "2",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_HOLD_S": "2",
    "RETURNWATCH_REMEMBER_S": "600",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.5",
}
PARTITIONS = 2


@pytest.fixture
def env(bootstrap: str, names: Names) -> dict[str, str]:
    create_topics(bootstrap, names.topics(PARTITIONS))
    return names.env(bootstrap, **QUICK)


@pytest.fixture
def desk(bootstrap: str, names: Names) -> Desk:
    return Desk(bootstrap, names)


def records(bootstrap: str, topic: str) -> list[tuple[int, StatsRecord]]:
    return [(it.partition, read_stats(it.value or b"")) for it in read_all(bootstrap, topic)]


def rows(bootstrap: str, topic: str) -> dict[tuple[int, int], Any]:
    """By partition and second; none is there twice."""
    found: dict[tuple[int, int], Any] = {}
    for partition, record in records(bootstrap, topic):
        for second in record.seconds if isinstance(record, Stats) else ():
            assert (partition, second.second_s) not in found
            found[partition, second.second_s] = second.rows
    return found


def beats(bootstrap: str, topic: str) -> list[Heartbeat]:
    return [it for _, it in records(bootstrap, topic) if isinstance(it, Heartbeat)]


def wait_for_beats_beyond(bootstrap: str, topic: str, at_s: float) -> None:
    """Every partition has said that all before is told."""
    until = time.monotonic() + 40
    while True:
        seen: Counter[int] = Counter()
        for beat in beats(bootstrap, topic):
            seen[beat.partition] = max(seen[beat.partition], beat.complete_s)
        if len(seen) == PARTITIONS and min(seen.values()) > at_s:
            return
        assert time.monotonic() < until, seen
        time.sleep(0.2)


def total(found: dict[tuple[int, int], Any], name: str) -> int:
    return sum(getattr(row, name) for its in found.values() for row in its)


def test_rows_and_heartbeats_say_what_happened_in_each_second(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    start_worker(env).wait_until_ready()
    desk.submit(*(f"o-{n}" for n in range(30)), provider="acme", amount_minor=5, currency="EUR")
    desk.answer(*(f"o-{n}" for n in range(20)), code="51", outcome="rejected")

    wait_for_beats_beyond(bootstrap, names.stats, time.time() + 3)

    found = rows(bootstrap, names.stats)
    counts = ("submitted", "rejected", "timed_out")
    assert [total(found, name) for name in counts] == [30, 20, 10]
    assert {row.provider for its in found.values() for row in its} == {"acme"}
    for beat in beats(bootstrap, names.stats):
        assert beat.partitions == PARTITIONS
        assert beat.complete_s * 1_000 <= beat.frontier_ms <= beat.sent_at_ms


def test_an_idle_worker_beats_and_writes_nothing_into_its_changelog(
    start_worker: StartWorker, env: dict[str, str], bootstrap: str, names: Names
) -> None:
    start_worker(env).wait_until_ready()
    wait_for_beats_beyond(bootstrap, names.stats, 0)
    before = len(read_all(bootstrap, names.changelog))
    first = time.time()

    wait_for_beats_beyond(bootstrap, names.stats, first + 5)

    assert len(read_all(bootstrap, names.changelog)) == before
    by_partition = Counter(beat.partition for beat in beats(bootstrap, names.stats))
    assert set(by_partition) == set(range(PARTITIONS))


def test_rows_are_the_same_whatever_kills_the_worker_between(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    worker = start_worker(env)
    worker.wait_until_ready()
    for part in range(4):
        ids = [f"o-{part}-{n}" for n in range(25)]
        desk.submit(*ids, provider="acme" if part % 2 else "pg", kind="card")
        time.sleep(0.7)
        desk.answer(*ids[:20])
        if part in (0, 2):
            worker.kill()
            worker.start()
        time.sleep(0.6)
    wait_for_beats_beyond(bootstrap, names.stats, time.time() + 3)
    worker.terminate()

    twin = names.twin("-again")
    create_topics(
        bootstrap,
        {
            name: made
            for name, made in twin.topics(PARTITIONS).items()
            if name not in (names.submitted, names.returned)
        },
    )
    start_worker({**twin.env(bootstrap, **QUICK), "RETURNWATCH_WEB_PORT": "0"})
    wait_for_beats_beyond(bootstrap, twin.stats, time.time())

    found = rows(bootstrap, names.stats)
    assert total(found, "submitted") == 100
    assert total(found, "timed_out") == 20
    assert rows(bootstrap, twin.stats) == found
