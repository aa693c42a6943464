"""What the worker refuses or holds back on a real broker, in a sentence that says what to do."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.broker.orders import Desk, a_return, submission
from tests.broker.process import free_port
from tests.broker.records import MURMUR2, NewRecord, produce, read_all
from tests.broker.shell import Shell
from tests.broker.topics import Names, create_topics, cut_off, delete_topics
from tests.broker.worker import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

QUICK: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "1",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_HOLD_S": "30",
    "RETURNWATCH_REMEMBER_S": "30",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.3",
}
TIMEOUT_S: Final = 20.0
LIBRDKAFKAS_OWN: Final = "consistent_random"


@pytest.fixture
def env(bootstrap: str, names: Names) -> dict[str, str]:
    return names.env(bootstrap, **QUICK)


@pytest.fixture
def desk(bootstrap: str, names: Names) -> Desk:
    return Desk(bootstrap, names)


@pytest.fixture
def admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def refusal(worker: WorkerProcess) -> str:
    """What a worker that has to stop by itself with status 1 complains of, without a traceback."""
    status = worker.wait_for_end(TIMEOUT_S)
    text = worker.text()
    assert status == 1, text
    assert "Traceback" not in text, text
    sentences = [line for line in text.splitlines() if line.startswith("returnwatch: ")]
    assert sentences, text
    return "\n".join(sentences)


def wait_until(seen: Callable[[], bool], worker: WorkerProcess) -> None:
    until = time.monotonic() + TIMEOUT_S
    while not seen():
        assert worker.returncode is None, worker.text()
        assert time.monotonic() < until, worker.text()
        time.sleep(0.05)


def work_and_stop(worker: WorkerProcess, desk: Desk, orders: int = 5) -> None:
    """Have some orders submitted and answered, worked, committed; then the worker stops."""
    worker.wait_until_ready()
    ids = [f"o-{number}" for number in range(orders)]
    desk.submit(*ids)
    desk.answer(*ids)
    wait_until(lambda: has_worked(worker, 2 * orders), worker)
    assert worker.terminate() == 0, worker.text()


def has_worked(worker: WorkerProcess, records: int) -> bool:
    return (
        worker.metric("returnwatch_records_read_total") == records
        and worker.metric("returnwatch_consumer_lag_records") == 0
    )


# Refused at the start.


def test_missing_topics_are_named_with_the_command_that_makes_them(
    start_worker: StartWorker, env: dict[str, str], bootstrap: str, names: Names
) -> None:
    topics = names.topics()
    del topics[names.returned], topics[names.changelog]
    create_topics(bootstrap, topics)

    told = refusal(start_worker(env))

    assert told.splitlines() == [
        f"returnwatch: The topic {name} does not exist. Type: returnwatch topics create"
        for name in (names.returned, names.changelog)
    ]


def test_a_deployment_from_before_incidents_is_told_in_one_sentence_and_goes_on_after_it(
    start_worker: StartWorker, env: dict[str, str], bootstrap: str, names: Names, tmp_path: Path
) -> None:
    new = (names.stats, names.incidents, names.silences, names.incidents_changelog)
    topics = {name: made for name, made in names.topics(2).items() if name not in new}
    create_topics(bootstrap, topics)
    worker = start_worker(env)

    (told,) = refusal(worker).splitlines()
    made = Shell(env, tmp_path).run("topics", "create")
    worker.start()
    worker.wait_until_ready()

    assert told == (
        f"returnwatch: The topics {', '.join(new[:3])} and {new[3]} do not exist. "
        "Type: returnwatch topics create (or set RETURNWATCH_STATS=false)"
    )
    assert made.status == 0, made.err


def test_without_counts_the_topics_of_incidents_are_not_needed(
    start_worker: StartWorker, env: dict[str, str], bootstrap: str, names: Names
) -> None:
    new = (names.stats, names.incidents, names.silences, names.incidents_changelog)
    topics = {name: made for name, made in names.topics(2).items() if name not in new}
    create_topics(bootstrap, topics)

    start_worker({**env, "RETURNWATCH_STATS": "false"}).wait_until_ready()


def test_unequal_partition_counts_are_refused(
    start_worker: StartWorker, env: dict[str, str], bootstrap: str, names: Names
) -> None:
    create_topics(bootstrap, names.topics(2) | {names.returned: names.topics(3)[names.returned]})

    told = refusal(start_worker(env))

    assert f"{names.submitted} has 2, {names.returned} has 3" in told
    assert "Set RETURNWATCH_SUBMITTED_TOPIC to a new name" in told


def test_producers_time_is_refused_and_taken_with_consent(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    create_topics(bootstrap, names.topics() | {names.submitted: (1, {})})

    told = refusal(start_worker(env))
    worker = start_worker({**env, "RETURNWATCH_ACCEPT_CREATE_TIME": "true"})
    worker.wait_until_ready()
    desk.submit("lost", "fine")
    desk.answer("fine")

    assert f"{names.submitted} has message.timestamp.type CreateTime" in told
    assert "RETURNWATCH_ACCEPT_CREATE_TIME=true" in told
    assert [alert["order_id"] for alert in desk.wait_for_alerts(1)] == ["lost"]


def test_a_state_of_a_newer_format_is_refused(
    start_worker: StartWorker, env: dict[str, str], bootstrap: str, names: Names
) -> None:
    create_topics(bootstrap, names.topics())
    header = NewRecord(b"h", b'{"format_version":99,"next":{}}')
    produce(bootstrap, names.changelog, [header])

    told = refusal(start_worker(env))

    assert "format version 99, this worker writes 2" in told
    assert "another RETURNWATCH_APP_ID" in told


def test_a_web_port_that_is_taken_is_refused(start_worker: StartWorker, names: Names) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        told = refusal(start_worker(names.env("127.0.0.1:1", RETURNWATCH_WEB_PORT=str(port))))

    assert f"The web port 127.0.0.1:{port} cannot be opened" in told
    assert "Choose another RETURNWATCH_WEB_PORT" in told


# A broker that is not there.


def test_a_broker_that_is_not_there_is_tried_again_with_progress_and_then_given_up(
    start_worker: StartWorker, names: Names
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    env = names.env(nobody, RETURNWATCH_BROKER_TIMEOUT_S="3")
    began_s = time.monotonic()

    worker = start_worker(env)
    told = refusal(worker)

    assert f"No broker answers at {nobody}" in told
    assert "KAFKA_BOOTSTRAP_SERVERS" in told
    assert " Tried for " in told
    assert worker.text().count("no broker answers, trying again") >= 2
    assert time.monotonic() - began_s < 10


def test_a_worker_that_waits_for_its_broker_is_alive_not_ready_and_leaves_when_asked(
    start_worker: StartWorker, names: Names
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    worker = start_worker(names.env(nobody))
    wait_until(lambda: worker.page("/livez")[0] == 200, worker)
    wait_until(lambda: "trying again" in worker.text(), worker)

    ready = worker.page("/readyz")
    began_s = time.monotonic()
    status = worker.terminate()

    assert ready == (503, f"connecting to the broker at {nobody}\n")
    assert (status, "Traceback" in worker.text()) == (0, False), worker.text()
    assert time.monotonic() - began_s < 5


# A log that is not the one the state came from.


def test_records_that_were_worked_may_go_and_those_that_were_not_are_told_as_a_gap(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    create_topics(bootstrap, names.topics())
    worker = start_worker(env)
    work_and_stop(worker, desk, orders=5)
    cut_off(bootstrap, names.submitted, {0: 5})

    worker.start()
    worker.wait_until_ready()
    desk.submit("lost")
    assert [alert["order_id"] for alert in desk.wait_for_alerts(1)] == ["lost"]
    assert worker.terminate() == 0
    desk.submit(*[f"unread-{number}" for number in range(10)])
    cut_off(bootstrap, names.submitted, {0: 12})
    worker.start()

    told = refusal(worker)
    assert f"{names.submitted} partition 0 begins at offset 12" in told
    assert "only up to 6" in told
    assert "removed offsets 6 to 11 (6, after " in told
    assert "returnwatch worker --accept-gap" in told


def test_offsets_of_the_group_without_a_changelog_are_refused_until_they_are_deleted(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, admin: AdminClient, names: Names
) -> None:
    create_topics(env["KAFKA_BOOTSTRAP_SERVERS"], names.topics())
    commit_offset(admin, names.app_id, TopicPartition(names.returned, 0, 0))
    desk.submit("lost")

    worker = start_worker(env)
    told = refusal(worker)
    (deleted,) = admin.delete_consumer_groups([names.app_id]).values()
    deleted.result()
    worker.start()

    assert "committed group offsets but no state" in told
    assert f"Delete the offsets of consumer group {names.app_id}" in told
    assert [alert["order_id"] for alert in desk.wait_for_alerts(1)] == ["lost"]


def commit_offset(admin: AdminClient, group: str, at: TopicPartition) -> None:
    (committed,) = admin.alter_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, [at])]
    ).values()
    committed.result()


def test_an_input_that_was_made_anew_under_its_name_is_refused_however_long_it_grows(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, names: Names
) -> None:
    create_topics(env["KAFKA_BOOTSTRAP_SERVERS"], names.topics())
    worker = start_worker(env)
    work_and_stop(worker, desk, orders=5)
    make_anew(env["KAFKA_BOOTSTRAP_SERVERS"], names, names.submitted)

    worker.start()
    refusal(worker)
    desk.submit(*[f"new-{number}" for number in range(9)])
    worker.start()

    empty, grown = refusal(worker).splitlines()
    for told in (empty, grown):
        assert f"The topic {names.submitted} was deleted and made anew" in told
        assert "another RETURNWATCH_APP_ID" in told
    assert "another RETURNWATCH_APP_ID" in empty
    assert "another RETURNWATCH_APP_ID" in grown


def make_anew(bootstrap: str, names: Names, topic: str) -> None:
    delete_topics(bootstrap, [topic])
    create_topics(bootstrap, {topic: names.topics()[topic]})


@pytest.mark.parametrize("new_orders", [1, 9], ids=["shorter", "longer"])
def test_an_input_that_is_made_anew_under_a_running_worker_stops_it(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, names: Names, new_orders: int
) -> None:
    bootstrap = env["KAFKA_BOOTSTRAP_SERVERS"]
    create_topics(bootstrap, names.topics())
    worker = start_worker(env)
    worker.wait_until_ready()
    desk.submit(*[f"o-{number}" for number in range(5)])
    desk.wait_for_alerts(5)

    make_anew(bootstrap, names, names.submitted)
    desk.submit(*[f"new-{number}" for number in range(new_orders)])
    desk.answer("new-0")

    told = refusal(worker)
    assert names.submitted in told
    assert "made anew" in told
    assert "another RETURNWATCH_APP_ID" in told
    assert "new-0" not in {order_id for _, order_id in desk.told()}


# Partitions.


def test_topics_widened_under_a_running_worker_hold_all_verdicts_and_a_restart_is_refused(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, admin: AdminClient, names: Names
) -> None:
    create_topics(env["KAFKA_BOOTSTRAP_SERVERS"], names.topics())
    worker = start_worker(env)
    worker.wait_until_ready()

    widen(admin, 2, names.submitted, names.returned)

    wait_until(lambda: held(worker, "partition_count") == 1, worker)
    status, text = worker.page("/readyz")
    assert status == 503
    assert f"made with 1 partitions, now {names.submitted} has 2" in text
    desk.feed_submitted([submission("lost")._replace(partition=0)])
    time.sleep(2)
    assert desk.told() == []
    assert worker.terminate() == 0

    widen(admin, 2, names.alerts, names.dead_letters, names.changelog, names.stats)
    worker.start()

    told = refusal(worker)
    assert "made with 1 partitions, the topics have 2 now" in told
    assert "another RETURNWATCH_APP_ID" in told


def widen(admin: AdminClient, partitions: int, *topics: str) -> None:
    wanted = [NewPartitions(topic, partitions) for topic in topics]
    for widened in admin.create_partitions(wanted).values():
        widened.result()


def held(worker: WorkerProcess, reason: str) -> float:
    return worker.metric("returnwatch_verdicts_held", reason=reason)


# Partitioners.


def feed_with_different_partitioners(bootstrap: str, names: Names) -> None:
    """300 orders over 4 partitions, all of them answered, a quarter where its order is."""
    ids = [f"order-{number}" for number in range(300)]
    produce(bootstrap, names.submitted, map(submission, ids), partitioner=MURMUR2)
    produce(bootstrap, names.returned, map(a_return, ids), partitioner=LIBRDKAFKAS_OWN)
    partitions = {record.partition for record in read_all(bootstrap, names.returned)}
    assert partitions == {0, 1, 2, 3}


def test_different_partitioners_hold_all_verdicts_until_they_are_accepted(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    create_topics(bootstrap, names.topics(4))
    worker = start_worker(env)
    worker.wait_until_ready()

    feed_with_different_partitioners(bootstrap, names)

    wait_until(lambda: held(worker, "partitioner") == 1, worker)
    status, text = worker.page("/readyz")
    assert status == 503
    assert "partitioned by different hashes of the key" in text
    assert "RETURNWATCH_ACCEPT_PARTITIONERS=true" in text
    time.sleep(2)
    assert desk.told() == []
    assert worker.terminate() == 0

    worker.start()
    wait_until(lambda: worker.page("/metrics")[0] == 200, worker)
    wait_until(lambda: held(worker, "partitioner") == 1, worker)
    time.sleep(0.5)
    assert desk.told() == []
    assert worker.terminate() == 0

    start_worker({**env, "RETURNWATCH_ACCEPT_PARTITIONERS": "true"})
    alerts = desk.wait_for_alerts(150)
    assert {alert["type"] for alert in alerts} == {"timed_out"}


def test_keys_of_the_same_hash_are_proven_and_alerts_say_nothing_of_it(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, bootstrap: str, names: Names
) -> None:
    create_topics(bootstrap, names.topics(4))
    worker = start_worker(env)
    worker.wait_until_ready()
    ids = [f"order-{number}" for number in range(40)]
    for topic, records in (
        (names.submitted, map(submission, [*ids, "lost"])),
        (names.returned, map(a_return, ids)),
    ):
        produce(bootstrap, topic, records, partitioner=LIBRDKAFKAS_OWN)

    desk.wait_for_alerts(1)

    (record,) = read_all(bootstrap, names.alerts)
    assert record.key == b"lost"
    assert "returnwatch-partitioner" not in dict(record.headers)
    assert worker.is_ready()
