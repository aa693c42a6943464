"""The commands on a real broker, as processes of their own: output, errors and status."""

import json
import re
import signal
import time
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from schemas.alerts import KEYS, Alert, encode_alert
from tests.broker.process import free_port
from tests.broker.records import NewRecord, produce
from tests.broker.shell import TIMEOUT_S, Ended, Shell
from tests.broker.topics import Names, create_topics, topics_with_prefix

pytestmark = pytest.mark.real_kafka

ODD_IDS: Final = ("plain", "ünï/3 \N{GRINNING FACE}", "[red]markup[/red]", "x" * 128)


@pytest.fixture
def shell(bootstrap: str, names: Names, tmp_path: Path) -> Shell:
    return Shell(names.env(bootstrap), tmp_path)


@pytest.fixture
def topics(bootstrap: str, names: Names) -> Names:
    """The names, with their topics made."""
    create_topics(bootstrap, names.topics(3))
    return names


# topics


def test_topics_are_made_with_what_a_worker_needs_and_left_alone_the_second_time(
    shell: Shell, bootstrap: str, names: Names
) -> None:
    made = shell.run("topics", "create", "--partitions", "3", "--replication-factor", "1")
    again = shell.run("topics", "create")
    checked = shell.run("topics", "check")
    other = shell.run("topics", "create", "--partitions", "7")

    assert [ended.status for ended in (made, again, checked)] == [0, 0, 0]
    assert [ended.complaints() for ended in (made, again, checked)] == [[], [], []]
    counts = {name: [str(partitions), "1"] for name, (partitions, _) in names.topics(3).items()}
    assert rows(made) == {name: [*row, "made"] for name, row in counts.items()}
    assert rows(again) == {name: [*row, "was", "there"] for name, row in counts.items()}
    assert rows(checked) == counts
    (sentence,) = other.complaints()
    assert (other.status, other.out) == (2, "")
    assert sentence.startswith("--partitions 7 does not go with the inputs")
    assert configs(bootstrap, names.submitted)["message.timestamp.type"] == "LogAppendTime"
    assert configs(bootstrap, names.returned)["message.timestamp.type"] == "LogAppendTime"
    assert configs(bootstrap, names.changelog)["cleanup.policy"] == "compact"
    assert int(configs(bootstrap, names.dead_letters)["max.message.bytes"]) == 2 * 1024 * 1024


def rows(ended: Ended) -> dict[str, list[str]]:
    """Of the table: topic to partitions, replicas and what was done, without the time."""
    found = {}
    for line in ended.out.splitlines()[1:]:
        topic, partitions, replicas, _, *rest = line.split()
        found[topic] = [partitions, replicas, *rest]
    return found


def configs(bootstrap: str, topic: str) -> dict[str, str]:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    (told,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {name: entry.value for name, entry in told.result().items()}


def test_a_check_of_missing_topics_makes_none_and_names_each(
    shell: Shell, bootstrap: str, names: Names
) -> None:
    checked = shell.run("topics", "check")

    assert (checked.status, checked.out) == (1, "")
    assert checked.complaints() == [
        f"The topic {name} does not exist. Type: returnwatch topics create"
        for name in names.topics()
    ]
    assert topics_with_prefix(bootstrap, names.app_id) == []


def test_new_topics_have_the_partition_count_of_the_inputs_that_are_there(
    shell: Shell, bootstrap: str, names: Names
) -> None:
    there = {topic: names.topics(6)[topic] for topic in (names.submitted, names.returned)}
    create_topics(bootstrap, there)

    made = shell.run("topics", "create")

    assert made.status == 0, made.err
    assert {name: int(row[0]) for name, row in rows(made).items()} == {
        name: partitions for name, (partitions, _) in names.topics(6).items()
    }


def test_a_topic_that_was_there_and_is_wrong_is_left_alone_and_complained_of(
    shell: Shell, bootstrap: str, names: Names
) -> None:
    create_topics(bootstrap, {names.returned: (2, {})})

    made = shell.run("topics", "create")

    (sentence,) = made.complaints()
    assert made.status == 1
    assert f"{names.returned} has message.timestamp.type CreateTime" in sentence
    assert f"--entity-name {names.returned}" in sentence
    assert configs(bootstrap, names.returned)["message.timestamp.type"] == "CreateTime"


def test_nothing_is_made_beside_inputs_of_unequal_partition_counts(
    shell: Shell, bootstrap: str, names: Names
) -> None:
    create_topics(bootstrap, {names.submitted: (2, {}), names.returned: (3, {})})

    made = shell.run("topics", "create")

    (sentence,) = made.complaints()
    assert (made.status, made.out) == (1, "")
    assert f"{names.submitted} has 2, {names.returned} has 3" in sentence
    inputs = sorted([names.submitted, names.returned])
    assert topics_with_prefix(bootstrap, names.app_id) == inputs


def test_what_the_broker_refuses_is_one_sentence(shell: Shell) -> None:
    refused = shell.run("topics", "create", "--replication-factor", "99")

    (sentence,) = refused.complaints()
    assert refused.status == 1
    assert "refused" in sentence
    assert not sentence.endswith("..")
    assert "replication" in sentence.lower()


# alerts


def an_alert(order_id: str, **fields: Any) -> bytes:
    value: Any = dict.fromkeys(KEYS["timed_out"]) | {
        "alert_id": "9f3f8c5e-3d1c-5f8e-8d4e-1f0c5a9d7e21",
        "type": "timed_out",
        "severity": "critical",
        "order_id": order_id,
        "attempt": 1,
        "submitted_at": "2026-01-01T00:00:00.000Z",
        "deadline": "2026-01-01T00:00:30.000Z",
        "return_within_ms": 30_000,
        "rule": "default",
        "source": {"topic": "order-submitted", "partition": 0, "offset": 1},
        **fields,
    }
    return encode_alert(Alert("timed_out", order_id, 0, value))


@pytest.fixture
def told(bootstrap: str, topics: Names) -> list[bytes]:
    """Alerts that stand in the topic, all in one partition."""
    values = [an_alert(order_id, provider="[bold]acme ü") for order_id in ODD_IDS]
    told_ms = 1_767_225_600_123
    records = [NewRecord(b"k", it, partition=1, timestamp_ms=told_ms) for it in values]
    produce(bootstrap, topics.alerts, records)
    return values


def test_as_json_the_alerts_are_the_bytes_in_the_topic_one_a_line(
    shell: Shell, told: list[bytes]
) -> None:
    ended = shell.run("alerts", "--json", "--from", "2026-01-01T00:00:00Z")

    assert (ended.status, ended.err) == (0, "")
    assert ended.out.encode() == b"".join(value + b"\n" for value in told)


def test_for_people_an_alert_is_one_line_with_what_it_is_about(
    shell: Shell, told: list[bytes]
) -> None:
    ended = shell.run("alerts")

    lines = ended.out.splitlines()
    assert (ended.status, ended.err, len(lines)) == (0, "", len(told))
    for line, order_id in zip(lines, ODD_IDS, strict=True):
        told_at = "2026-01-01T00:00:00.123Z"
        assert line.startswith(f"{told_at} timed_out          {order_id} [bold]acme ü ")
        assert line.endswith("no result by 2026-01-01T00:00:30.000Z (default)")


def test_from_leaves_out_what_was_written_before(shell: Shell, told: list[bytes]) -> None:
    ended = shell.run("alerts", "--json", "--from", "2999-01-01T00:00:00Z")

    assert (ended.status, ended.out, ended.err) == (0, "", "")


def test_an_empty_topic_shows_nothing_and_a_missing_one_is_one_sentence(
    shell: Shell, topics: Names
) -> None:
    empty = shell.run("alerts")
    shell.more["RETURNWATCH_ALERTS_TOPIC"] = f"{topics.app_id}-nowhere"
    missing = shell.run("alerts")

    assert (empty.status, empty.out, empty.err) == (0, "", "")
    assert missing.status == 1
    assert missing.complaints() == [
        f"The topic {topics.app_id}-nowhere does not exist. Type: returnwatch topics create"
    ]


def test_a_record_that_is_no_alert_is_passed_over(
    shell: Shell, bootstrap: str, topics: Names
) -> None:
    others = [b"nonsense", None, b"\xff", b'{"type":"timed_out"}', b'{"type":"other"}', b"[]"]
    records = [NewRecord(b"k", value, partition=0) for value in [*others, an_alert("good")]]
    produce(bootstrap, topics.alerts, records)

    ended = shell.run("alerts")

    assert ended.status == 0
    assert [line.split()[2] for line in ended.out.splitlines()] == ["good"]
    assert ended.complaints() == [
        f"a record at offset {offset} is no alert, passed over" for offset in range(len(others))
    ]


def test_into_a_pipe_that_is_closed_there_is_no_traceback(
    shell: Shell, bootstrap: str, topics: Names
) -> None:
    value = an_alert("x" * 128)
    produce(bootstrap, topics.alerts, [NewRecord(b"k", value)] * 2_000)

    with shell.open("alerts", "--json") as piped:
        assert piped.stdout is not None
        assert piped.stderr is not None
        first = piped.stdout.readline()
        piped.stdout.close()
        err = piped.stderr.read()
        status = piped.wait(TIMEOUT_S)

    assert first == value + b"\n"
    assert (status, err) == (0, b"")


def test_it_follows_until_it_is_interrupted(
    shell: Shell, bootstrap: str, topics: Names, told: list[bytes]
) -> None:
    with shell.open("alerts", "--follow", "--json") as following:
        assert following.stdout is not None
        assert following.stderr is not None
        seen = [following.stdout.readline() for _ in told]
        produce(bootstrap, topics.alerts, [NewRecord(b"k", an_alert("next"))])
        seen.append(following.stdout.readline())
        following.send_signal(signal.SIGINT)
        status = following.wait(TIMEOUT_S)
        err = following.stderr.read()

    assert json.loads(seen[-1])["order_id"] == "next"
    assert (status, err) == (0, b"")


# doctor


def test_the_doctor_tells_the_broker_and_the_topics_inputs_first(
    shell: Shell, bootstrap: str, names: Names
) -> None:
    create_topics(bootstrap, names.topics(1))

    ended = shell.run("doctor")

    lines = [line.split(maxsplit=2) for line in ended.out.splitlines()]
    seen = {subject: told for state, subject, told in lines if state == "ok"}
    assert (ended.status, ended.err) == (0, "")
    assert re.fullmatch(r"1 broker at .*, Apache Kafka \d+\.\d+", seen["broker"])
    assert [subject for subject in seen if subject in names.topics()] == list(names.topics())
    assert seen[names.submitted] == "1 partition, 1 replica, LogAppendTime"


# No broker, or one that is spoken to in the wrong way.


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SSL"])
def test_a_broker_of_another_security_protocol_is_told_as_that(
    shell: Shell, bootstrap: str, protocol: str
) -> None:
    shell.more |= {
        "KAFKA_SECURITY_PROTOCOL": protocol,
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": "u",
        "KAFKA_SASL_PASSWORD": "p",
    }

    ended = [shell.run(*words) for words in (("topics", "check"), ("alerts",))]

    for each in ended:
        (sentence,) = each.complaints()
        assert each.status == 1
        assert sentence.startswith(f"What listens at {bootstrap} does not answer us in {protocol}")
        assert "KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_* and KAFKA_SSL_*" in sentence


def test_without_a_broker_a_command_says_so_in_one_sentence(shell: Shell) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    shell.more["KAFKA_BOOTSTRAP_SERVERS"] = nobody
    began_s = time.monotonic()

    ended = shell.run("alerts")
    took_s = time.monotonic() - began_s
    checked = shell.run("doctor")

    assert (ended.status, ended.out) == (1, "")
    assert ended.complaints() == [
        f"No broker answers at {nobody} (Connection refused). Check KAFKA_BOOTSTRAP_SERVERS, and "
        "that Kafka runs there."
    ]
    assert took_s < 20
    assert (checked.status, checked.err) == (1, "")
    assert checked.out.count("No broker") == checked.out.count("Check KAFKA_BOOTSTRAP") == 1
