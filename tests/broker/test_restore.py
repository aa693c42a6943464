"""A changelog that misbehaves: the state is right again, or the worker stops and says so."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from tests.broker.orders import Desk
from tests.broker.records import NewRecord, StoredRecord, put, read_all, transaction
from tests.broker.topics import Names, create_topics, cut_off_compacted, delete_topics
from tests.broker.worker import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

QUICK: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "60",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_HOLD_S": "1",
    "RETURNWATCH_REMEMBER_S": "60",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.1",
}
HEADER_KEY: Final = b"h"
FINE: Final = [f"fine-{number}" for number in range(20)]
TIMEOUT_S: Final = 30.0
# Rolled with nearly every checkpoint, so that the cleaner has something to clean.
ROLLED: Final = {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}


@pytest.fixture
def env(bootstrap: str, names: Names) -> dict[str, str]:
    create_topics(bootstrap, names.topics())
    return names.env(bootstrap, **QUICK)


@pytest.fixture
def desk(bootstrap: str, names: Names) -> Desk:
    return Desk(bootstrap, names)


@pytest.fixture
def admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def leave_open(worker: WorkerProcess, desk: Desk, order_ids: Sequence[str] = FINE) -> None:
    """Have the worker keep these orders, and one that gets lost, in its changelog, and stop it."""
    worker.wait_until_ready()
    desk.submit(*order_ids)
    desk.submit("lost", return_within_ms=1)
    desk.wait_for_alerts(1)
    assert worker.terminate() == 0


def check_goes_on(worker: WorkerProcess, desk: Desk) -> None:
    """Its state is right: answers find their orders, what was told is known, and it still tells."""
    worker.start()
    worker.wait_until_ready()
    assert worker.metric("returnwatch_orders", state="open") == len(FINE)
    desk.answer(*FINE)
    desk.answer("lost")
    desk.wait_for_alerts(2)
    time.sleep(1.5)  # An answer without its order would be unmatched by now.
    assert desk.told() == [("returned_late", "lost"), ("timed_out", "lost")]


def refusal(worker: WorkerProcess) -> str:
    """The one sentence of a worker that does not start."""
    worker.start()
    assert worker.wait_for_end(TIMEOUT_S) == 1, worker.text()
    (sentence,) = [line for line in worker.text().splitlines() if line.startswith("returnwatch: ")]
    assert "Traceback" not in worker.text()
    return sentence


def put_and_abort(bootstrap: str, names: Names) -> None:
    """What a checkpoint leaves whose worker was lost: a header that never was."""
    with transaction(bootstrap) as producer:
        put(producer, names.changelog, NewRecord(HEADER_KEY, b"never committed", partition=0))
        producer.flush()
        producer.abort_transaction()


def headers(bootstrap: str, names: Names) -> list[StoredRecord]:
    return [it for it in read_all(bootstrap, names.changelog) if it.key == HEADER_KEY]


def test_one_that_ends_in_an_aborted_transaction_is_read_past_it(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    worker = start_worker(env)
    leave_open(worker, desk)
    put_and_abort(bootstrap, names)

    check_goes_on(worker, desk)


def test_one_that_holds_a_marker_only_is_one_without_state(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    put_and_abort(bootstrap, names)
    cut_off_compacted(bootstrap, names.changelog, {0: 1})
    assert read_all(bootstrap, names.changelog, isolation="read_uncommitted") == []
    desk.submit("lost", return_within_ms=1)

    start_worker(env).wait_until_ready()

    assert [alert["order_id"] for alert in desk.wait_for_alerts(1)] == ["lost"]
    assert headers(bootstrap, names)[0].offset > 1


def test_one_that_was_compacted_holds_the_same_state(
    start_worker: StartWorker, bootstrap: str, names: Names, desk: Desk
) -> None:
    topics = names.topics()
    partitions, config = topics[names.changelog]
    create_topics(bootstrap, topics | {names.changelog: (partitions, {**config, **ROLLED})})
    worker = start_worker(names.env(bootstrap, **QUICK))
    worker.wait_until_ready()
    for number in range(8):  # Closed orders leave tombstones and segments, each a checkpoint.
        desk.submit(f"closed-{number}")
        desk.answer(f"closed-{number}")
        time.sleep(0.2)
    leave_open(worker, desk)
    written = len(headers(bootstrap, names))

    until = time.monotonic() + TIMEOUT_S
    while (left := len(headers(bootstrap, names))) > written / 2:
        assert time.monotonic() < until, f"{left} of {written} headers are left"
        put_and_abort(bootstrap, names)  # Rolls the segment that the last checkpoint stands in.
        time.sleep(0.2)

    check_goes_on(worker, desk)


def test_one_that_lost_its_beginning_is_refused(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    worker = start_worker(env)
    leave_open(worker, desk)
    newest = headers(bootstrap, names)[-1]
    cut_off_compacted(bootstrap, names.changelog, {0: newest.offset})

    told = refusal(worker)

    assert "The changelog has lost records: " in told
    assert "start with another RETURNWATCH_APP_ID" in told
    assert desk.told() == [("timed_out", "lost")]


def test_one_that_was_deleted_and_made_anew_is_refused_while_the_group_has_offsets(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, admin: AdminClient, names: Names
) -> None:
    bootstrap = env["KAFKA_BOOTSTRAP_SERVERS"]
    worker = start_worker(env)
    worker.wait_until_ready()
    desk.submit("lost", return_within_ms=1)
    desk.wait_for_alerts(1)
    wait_for_committed(admin, names)
    assert worker.terminate() == 0
    delete_topics(bootstrap, [names.changelog])
    create_topics(bootstrap, {names.changelog: names.topics()[names.changelog]})

    told = refusal(worker)

    assert f"no state in {names.changelog}: its changelog was lost" in told
    assert f"Delete the offsets of consumer group {names.app_id}" in told
    assert headers(bootstrap, names) == []
    assert desk.told() == [("timed_out", "lost")]


def wait_for_committed(admin: AdminClient, names: Names) -> None:
    """Until the group has an offset, which is committed once a second."""
    until = time.monotonic() + TIMEOUT_S
    asked = [ConsumerGroupTopicPartitions(names.app_id)]
    while True:
        (answer,) = admin.list_consumer_group_offsets(asked).values()
        if any(at.offset > 0 for at in answer.result().topic_partitions or ()):
            return
        assert time.monotonic() < until, "the group has no offsets"
        time.sleep(0.1)
