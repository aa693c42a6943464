"""A worker whose user may do exactly what `topics acls` printed, on a Kafka where rights count."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from streams import cli
from streams.permissions import Grant, Kind, Operation, commands, is_vital, worker_grants
from streams.settings import Settings
from tests.broker.jars import KafkaMissing, kafka_jars
from tests.broker.kafka import ClusterConfig, KafkaCluster
from tests.broker.orders import Desk
from tests.broker.shell import Shell
from tests.broker.topics import Names, create_topics
from tests.broker.worker import OURS, WorkerProcess

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

PARTITIONS: Final = 2
TIMEOUT_S: Final = 20.0
PASSWORDS: Final = {
    "admin": "admins-own",
    "watcher": "watchers-own",
    "reader": "readers-own",
    "stranger": "strangers-own",
}
NAMES: Final = Names(
    app_id="returnwatch",
    submitted="order-submitted",
    returned="order-returned",
    alerts="order-alerts",
    dead_letters="order-dead-letters",
    changelog="returnwatch-changelog",
)
NEEDED: Final = worker_grants(Settings(), PARTITIONS)
ACL_COMMAND: Final = """#!/bin/sh
exec java -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \\
    -cp '{jars}/*' org.apache.kafka.tools.AclCommand "$@"
"""
ADMIN_LOGIN: Final = """security.protocol=SASL_PLAINTEXT
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
    username="admin" password="{password}";
"""


def grant_on(kind: Kind, name: str, operation: Operation) -> Grant:
    grant = Grant(operation, kind, name)
    assert grant in NEEDED
    return grant


READ_SUBMITTED: Final = grant_on(Kind.TOPIC, NAMES.submitted, Operation.READ)
WRITE_CHANGELOG: Final = grant_on(Kind.TOPIC, NAMES.changelog, Operation.WRITE)
READ_GROUP: Final = grant_on(Kind.GROUP, NAMES.app_id, Operation.READ)
BE_PRODUCER: Final = grant_on(Kind.TRANSACTIONAL_ID, f"{NAMES.app_id}-0", Operation.WRITE)


def label(grant: Grant) -> str:
    return f"{grant.operation.name}-{grant.name}"


@pytest.fixture(scope="module")
def walled() -> Iterator[KafkaCluster]:
    """A Kafka on which nobody but `admin` may do anything yet; the topics and some orders."""
    try:
        cluster = KafkaCluster(ClusterConfig(passwords=PASSWORDS)).__enter__()
    except KafkaMissing as why:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"needs a real Kafka: {why}")
    try:
        create_topics(cluster.bootstrap, NAMES.topics(PARTITIONS))
        ids = [f"fine-{number}" for number in range(30)]
        desk = Desk(cluster.bootstrap, NAMES)
        desk.submit(*ids)
        desk.answer(*ids)
        yield cluster
    finally:
        cluster.__exit__(None, None, None)


@pytest.fixture(scope="module")
def granted(walled: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> KafkaCluster:
    """The same once an administrator has typed what is printed, as it is, and nothing else."""
    run_printed(walled, tmp_path_factory.mktemp("admin"), "--user", "watcher")
    return walled


def run_printed(walled: KafkaCluster, folder: Path, *arguments: str) -> list[str]:
    """Have `topics acls` print its lines, run them in a shell, and tell them."""
    tool = folder / "kafka-acls.sh"
    tool.write_text(ACL_COMMAND.format(jars=kafka_jars()))
    tool.chmod(0o755)
    (folder / "admin.properties").write_text(ADMIN_LOGIN.format(password=PASSWORDS["admin"]))
    inherited = {name: at for name, at in os.environ.items() if not name.startswith(OURS)}
    printed = subprocess.run(
        [sys.executable, "-m", "streams.entry", "topics", "acls", *arguments],
        env=inherited | login(walled, "admin"),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["sh", "-e"],
        input=printed,
        env=inherited | {"PATH": path},
        cwd=folder,
        text=True,
        check=True,
    )
    return printed.splitlines()


def login(walled: KafkaCluster, user: str) -> dict[str, str]:
    return NAMES.env(
        walled.login_bootstrap,
        KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
        KAFKA_SASL_MECHANISM="PLAIN",
        KAFKA_SASL_USERNAME=user,
        KAFKA_SASL_PASSWORD=PASSWORDS[user],
        RETURNWATCH_RETURN_WITHIN_S="1",
        RETURNWATCH_GRACE_S="0.3",
        RETURNWATCH_CHECKPOINT_INTERVAL_S="0.3",
    )


@pytest.fixture
def env(granted: KafkaCluster) -> dict[str, str]:
    return login(granted, "watcher")


@pytest.fixture
def desk(granted: KafkaCluster) -> Desk:
    return Desk(granted.bootstrap, NAMES)


@pytest.fixture
def admin(granted: KafkaCluster) -> AdminClient:
    return AdminClient({"bootstrap.servers": granted.bootstrap, "log_level": 0})


@pytest.fixture
def doctor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[dict[str, str]], tuple[int, list[str]]]:
    """`doctor(env)`: its status and lines."""

    def run(env: dict[str, str]) -> tuple[int, list[str]]:
        monkeypatch.chdir(tmp_path)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        status = cli.run(["doctor"])
        return status, capsys.readouterr().out.splitlines()

    return run


@contextmanager
def without(admin: AdminClient, grant: Grant) -> Iterator[None]:
    """While this one grant is taken away."""
    kind = ResourceType[grant.kind.name]
    operation = AclOperation[grant.operation.name]
    where = (kind, grant.name, ResourcePatternType.LITERAL, "User:watcher")
    one = AclBindingFilter(*where, None, operation, AclPermissionType.ALLOW)
    (deleted,) = admin.delete_acls([one]).values()
    assert len(deleted.result()) == 1
    wait_until(lambda: not admin.describe_acls(one).result())
    try:
        yield
    finally:
        again = AclBinding(*where, "*", operation, AclPermissionType.ALLOW)
        (created,) = admin.create_acls([again]).values()
        created.result()
        wait_until(lambda: bool(admin.describe_acls(one).result()))


def wait_until(seen: Callable[[], bool]) -> None:
    until = time.monotonic() + TIMEOUT_S
    while not seen():
        assert time.monotonic() < until
        time.sleep(0.01)


def command(env: dict[str, str], grant: Grant) -> str:
    settings = Settings(
        bootstrap_servers=env["KAFKA_BOOTSTRAP_SERVERS"],
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_username="watcher",
        sasl_password=PASSWORDS["watcher"],
    )
    (line,) = commands(settings, "watcher", [grant])
    return line


def refusal(worker: WorkerProcess) -> list[str]:
    """The sentences of a worker that has to stop by itself with status 1."""
    status = worker.wait_for_end(TIMEOUT_S)
    text = worker.text()
    assert status == 1, text
    assert "Traceback" not in text, text
    return [line for line in text.splitlines() if line.startswith("returnwatch: ")]


def test_who_is_granted_nothing_is_told_all_that_is_needed(
    walled: KafkaCluster, doctor: Callable[..., tuple[int, list[str]]]
) -> None:
    env = login(walled, "reader")

    status, lines = doctor(env)

    assert status == 1
    told = "\n".join(lines).replace("User:reader", "User:watcher")
    topics = [grant for grant in NEEDED if grant.kind is Kind.TOPIC]
    for grant in [*topics, READ_GROUP, BE_PRODUCER]:
        assert f"  Type: {command(env, grant)}" in told


@pytest.mark.parametrize(
    "words, topics",
    [
        (["replay"], [NAMES.submitted, NAMES.returned]),
        (["audit"], [NAMES.alerts, NAMES.changelog]),
    ],
    ids=lambda it: " ".join(it),
)
def test_who_may_not_use_a_topic_is_told_the_grant_that_looking_into_it_needs(
    words: list[str], topics: list[str], walled: KafkaCluster, tmp_path: Path
) -> None:
    ended = Shell(login(walled, "stranger"), tmp_path).run(*words)

    assert ended.status == 1
    assert len(ended.complaints()) == len(topics)
    for topic, sentence in zip(topics, ended.complaints(), strict=True):
        assert sentence.startswith(f"The user stranger lacks READ on the topic {topic}. ")
        assert "--allow-principal User:stranger" in sentence
        assert sentence.endswith(f"--operation Read --topic {topic}")


def test_a_worker_with_exactly_the_printed_grants_alerts_and_doctor_does_not_disturb_it(
    start_worker: StartWorker,
    env: dict[str, str],
    desk: Desk,
    doctor: Callable[..., tuple[int, list[str]]],
) -> None:
    worker = start_worker(env)
    worker.wait_until_ready()
    desk.submit("lost")
    desk.wait_for_alerts(1)

    answers = [doctor(env) for _ in range(3)]
    desk.submit("lost-too")

    assert {alert["order_id"] for alert in desk.wait_for_alerts(2)} == {"lost", "lost-too"}
    for status, lines in answers:
        assert status == 0, lines
        assert all(line.startswith("ok ") for line in lines), lines
        assert any(f"watcher has all {len(NEEDED)} that it needs" in line for line in lines)
    assert "another worker" not in worker.text()
    assert worker.terminate() == 0, worker.text()


@pytest.mark.parametrize("grant", NEEDED, ids=label)
def test_doctor_names_the_one_grant_that_is_missing_and_the_command(
    grant: Grant,
    env: dict[str, str],
    admin: AdminClient,
    doctor: Callable[..., tuple[int, list[str]]],
) -> None:
    with without(admin, grant):
        status, lines = doctor(env)

    wrong = [line for line in lines if not line.startswith("ok ")]
    is_needed = is_vital(Settings(), grant)
    assert len(wrong) == 2, lines
    assert wrong[0].startswith("wrong" if is_needed else "warning")
    assert f"The user watcher lacks {grant.operation.name} on the " in wrong[0]
    assert grant.name in wrong[0]
    assert wrong[1].strip() == f"Type: {command(env, grant)}"
    assert status == int(is_needed)


@pytest.mark.parametrize("grant", [READ_SUBMITTED, BE_PRODUCER], ids=label)
def test_a_worker_that_lacks_a_grant_says_so_in_one_sentence_and_does_not_start(
    grant: Grant, start_worker: StartWorker, env: dict[str, str], admin: AdminClient
) -> None:
    with without(admin, grant):
        (sentence,) = refusal(start_worker(env))

    assert f"lacks {grant.operation.name} on the " in sentence
    assert sentence.endswith(f"Type: {command(env, grant)}")


@pytest.mark.parametrize("grant", [WRITE_CHANGELOG, BE_PRODUCER], ids=label)
def test_a_worker_that_loses_a_grant_says_so_in_one_sentence_and_stops(
    grant: Grant, start_worker: StartWorker, env: dict[str, str], admin: AdminClient, desk: Desk
) -> None:
    worker = start_worker(env)
    worker.wait_until_ready()

    with without(admin, grant):
        desk.submit(*[f"{label(grant)}-{number}" for number in range(10)])
        (sentence,) = refusal(worker)

    assert f"lacks {grant.operation.name} on the " in sentence
    assert sentence.endswith(f"Type: {command(env, grant)}")


def test_a_worker_that_may_not_be_in_its_group_any_more_stops(
    start_worker: StartWorker, env: dict[str, str], admin: AdminClient
) -> None:
    worker = start_worker(env)
    worker.wait_until_ready()

    with without(admin, READ_GROUP):
        (sentence,) = refusal(worker)

    assert sentence.endswith(f"Type: {command(env, READ_GROUP)}")


def test_a_subscriber_with_the_printed_grants_reads_the_alerts_in_its_group(
    granted: KafkaCluster, desk: Desk, tmp_path: Path
) -> None:
    printed = run_printed(granted, tmp_path, "--user", "reader", "--subscriber", "first team")
    subscriber = Consumer(
        {
            "bootstrap.servers": granted.login_bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "reader",
            "sasl.password": PASSWORDS["reader"],
            "group.id": "first team",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    try:
        subscriber.subscribe([NAMES.alerts])
        (message,) = subscriber.consume(1, TIMEOUT_S)
    finally:
        subscriber.close()

    assert len(printed) == 2
    assert message.error() is None
    assert message.key().decode() in {alert["order_id"] for alert in desk.alerts()}


def test_a_snapshot_without_the_right_to_read_the_changelog_names_it_and_the_command(
    granted: KafkaCluster, tmp_path: Path
) -> None:
    ended = Shell(login(granted, "reader"), tmp_path).run("snapshot")

    (sentence,) = ended.complaints()
    assert ended.status == 1
    assert sentence.startswith(f"The user reader lacks READ on the topic {NAMES.changelog}. Type: ")
    assert sentence.endswith(f"--operation Read --topic {NAMES.changelog}")


def test_a_replay_into_a_topic_that_may_not_be_written_names_the_grant(
    granted: KafkaCluster, tmp_path: Path
) -> None:
    create_topics(granted.bootstrap, {"replays": (PARTITIONS, {})})

    ended = Shell(login(granted, "watcher"), tmp_path).run("replay", "--to-topic", "replays")

    (sentence,) = ended.complaints()
    assert ended.status == 1
    assert sentence.startswith("The user watcher lacks WRITE on the topic replays. Type: ")
    assert sentence.endswith("--operation Write --topic replays")


@pytest.mark.parametrize(
    "command, topic",
    [("trace A-1", NAMES.submitted), ("dead-letters list", NAMES.dead_letters)],
)
def test_looking_into_topics_without_the_right_to_read_them_is_one_sentence(
    granted: KafkaCluster, tmp_path: Path, command: str, topic: str
) -> None:
    ended = Shell(login(granted, "reader"), tmp_path).run(*command.split())

    (sentence,) = ended.complaints()
    assert ended.status == 1
    assert sentence == (
        f"The topic {topic} does not exist, or may not be seen. Type: returnwatch topics check"
    )


def test_a_broker_without_an_authorizer_is_said_to_allow_everything(
    bootstrap: str, names: Names, doctor: Callable[..., tuple[int, list[str]]]
) -> None:
    create_topics(bootstrap, names.topics())

    status, lines = doctor(names.env(bootstrap))

    (line,) = [line for line in lines if " permissions " in line]
    assert line.startswith("ok ")
    assert line.endswith("the broker has no authorizer: everything is allowed")
    assert status == 0
