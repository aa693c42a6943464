"""What a user has to be allowed, and the commands that allow exactly that."""

import os
import shlex
from pathlib import Path
from typing import Final

import pytest

from streams import cli
from streams.authorizer import refusals
from streams.permissions import (
    Grant,
    Kind,
    Operation,
    commands,
    described,
    grouped,
    is_vital,
    user_of,
    worker_grants,
)
from streams.settings import Settings

SETTINGS: Final = Settings()
BY_PASSWORD: Final = {
    "security_protocol": "SASL_PLAINTEXT",
    "sasl_mechanism": "PLAIN",
    "sasl_username": "watcher",
    "sasl_password": "made-up",
}
ADD: Final = "kafka-acls.sh --bootstrap-server localhost:9092 --add --allow-principal User:watcher"


OPERATIONS: Final = (Path(__file__).parents[2] / "docs/operations.md").read_text()


@pytest.fixture(autouse=True)
def _settings_of_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("KAFKA_", "RETURNWATCH_")):
            monkeypatch.delenv(name)


def test_the_commands_for_a_worker_name_every_topic_its_group_and_each_transactional_id() -> None:
    lines = commands(SETTINGS, "watcher", worker_grants(SETTINGS, 2))

    assert [line.removeprefix(f"{ADD} --operation ") for line in lines] == [
        "Read --operation DescribeConfigs --topic order-submitted --topic order-returned"
        " --topic order-silences",
        "Write --topic order-alerts --topic order-incidents",
        "Write --operation DescribeConfigs --topic order-dead-letters",
        "Read --operation Write --operation DescribeConfigs --topic returnwatch-changelog"
        " --topic returnwatch-incidents-changelog",
        "Read --operation Write --topic order-stats",
        "Read --group returnwatch",
        "Write --transactional-id returnwatch-0 --transactional-id returnwatch-1"
        " --transactional-id returnwatch-incidents",
    ]


def test_what_a_shell_would_take_apart_is_quoted() -> None:
    (line,) = commands(SETTINGS, "CN=a b,O=c'd", [Grant(Operation.READ, Kind.GROUP, "$team")])

    assert shlex.split(line)[4:] == [
        *("--allow-principal", "User:CN=a b,O=c'd", "--operation", "Read", "--group", "$team")
    ]


def test_where_one_has_to_log_in_the_administrator_does_too() -> None:
    (line,) = commands(Settings(**BY_PASSWORD), "watcher", worker_grants(SETTINGS, 0)[2:3])

    assert "--bootstrap-server localhost:9092 --command-config admin.properties --add" in line


@pytest.mark.parametrize(
    "given, user",
    [
        ({}, "ANONYMOUS"),
        (BY_PASSWORD, "watcher"),
        ({"security_protocol": "SSL"}, "NAME"),
        ({"sasl_username": "nobody-logs-in"}, "ANONYMOUS"),
    ],
)
def test_the_user_is_who_logs_in(given: dict[str, str], user: str) -> None:
    assert user_of(Settings(**given)) == user


def test_the_commands_and_the_finding_in_the_documentation_are_what_is_printed() -> None:
    settings = Settings(
        **BY_PASSWORD | {"security_protocol": "SASL_SSL"}, bootstrap_servers="kafka-1:9092"
    )
    grants = worker_grants(settings, 2)
    read_changelog = Grant(Operation.READ, Kind.TOPIC, "returnwatch-changelog")

    assert "\n".join(f"    {line}" for line in commands(settings, "watcher", grants)) in OPERATIONS
    ((_, finding),) = refusals(settings, [read_changelog])
    assert f"  {finding.problem}\n             {finding.fix}\n" in OPERATIONS


def test_missing_grants_are_told_one_by_one_but_transactional_ids_together() -> None:
    groups = grouped(worker_grants(SETTINGS, 5))

    assert [described(group) for group in groups][-3:] == [
        "DESCRIBE_CONFIGS on the topic returnwatch-incidents-changelog",
        "READ on the group returnwatch",
        "WRITE on 6 transactional ids (returnwatch-0, returnwatch-1, returnwatch-2, ...)",
    ]
    assert described(grouped(worker_grants(Settings(stats=False), 1))[-1]) == (
        "WRITE on the transactional id returnwatch-0"
    )


def test_a_worker_runs_without_configurations_that_only_warn_of_mistakes() -> None:
    grants = worker_grants(SETTINGS, 1)
    consenting = Settings(accept_create_time=True)

    def without(settings: Settings) -> list[str]:
        return [grant.name for grant in grants if not is_vital(settings, grant)]

    assert without(SETTINGS) == [
        "order-dead-letters",
        "order-silences",
        "returnwatch-incidents-changelog",
    ]
    assert without(consenting)[:2] == ["order-submitted", "order-returned"]


def test_with_user_and_partitions_no_broker_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.run(["topics", "acls", "--user", "watcher", "--partitions", "3"])

    told = capsys.readouterr()
    assert (status, told.err) == (0, "")
    assert told.out.splitlines() == commands(SETTINGS, "watcher", worker_grants(SETTINGS, 3))


def test_a_long_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["topics", "acls", "--user", "[bold]:smile:", "--partitions", "200"])

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert lines[-1].endswith(" --transactional-id returnwatch-incidents")
    assert all("'User:[bold]:smile:'" in line for line in lines)


def test_a_subscriber_needs_the_alerts_and_its_own_group(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = cli.run(["topics", "acls", "--user", "watcher", "--subscriber", "desk"])

    assert status == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{ADD} --operation Read --topic order-alerts",
        f"{ADD} --operation Read --group desk",
    ]


@pytest.mark.parametrize(
    "words, needed",
    [(["--partitions", "3"], "--user NAME"), (["--user", "watcher"], "--partitions N")],
    ids=["user", "partitions"],
)
def test_what_is_not_known_has_to_be_given(
    words: list[str],
    needed: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    status = cli.run(["topics", "acls", *words])

    told = capsys.readouterr()
    (sentence,) = told.err.splitlines()
    assert (status, told.out) == (2, "")
    assert needed in sentence
