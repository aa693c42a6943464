"""`returnwatch silence` on a broker: planned, listed, ended early, taken back."""

import json
from pathlib import Path

import pytest

from tests.broker.records import read_all
from tests.broker.shell import Shell
from tests.broker.topics import Names, create_topics

pytestmark = pytest.mark.real_kafka


@pytest.fixture
def shell(bootstrap: str, names: Names, tmp_path: Path) -> Shell:
    create_topics(bootstrap, names.topics(2))
    return Shell(names.env(bootstrap), tmp_path)


def test_a_silence_is_listed_until_it_is_over_and_ends_now_where_it_is_removed(
    shell: Shell, bootstrap: str, names: Names
) -> None:
    added = shell.run(
        *("silence", "add", "--provider", "pg", "--from", "2026-01-31T12:00:00Z"),
        *("--to", "+2h", "--why", "new firewall"),
    )
    silence_id = added.out.partition(":")[0]
    listed = shell.run("silence", "list", "--json")
    shown = shell.run("silence", "list")
    removed = shell.run("silence", "remove", silence_id)

    assert (added.status, removed.status) == (0, 0), (added.err, removed.err)
    assert added.complaints() == [
        "--from 2026-01-31T12:00:00Z is in the past, which is told already: it begins now"
    ]
    value = json.loads(listed.out)
    assert (value["silence_id"], value["why"]) == (silence_id, "new firewall")
    assert value["scope"] == {"provider": "pg", "merchant": None, "kind": None}
    assert "in force" in shown.out
    assert shell.run("silence", "list").out == "No silence is planned or in force.\n"
    assert "over" in shell.run("silence", "list", "--all").out
    records = read_all(bootstrap, names.silences)
    assert [record.key for record in records] == [silence_id.encode()] * 2
    ended = json.loads(records[1].value or b"")
    assert ended["since"] == value["since"] < ended["until"] < value["until"]
    again = shell.run("silence", "remove", silence_id)
    assert (again.status, len(again.complaints())) == (2, 1)


def test_a_silence_that_has_not_begun_is_taken_back_without_a_trace(
    shell: Shell, bootstrap: str, names: Names
) -> None:
    added = shell.run(*["silence", "add", "--from", "+1h", "--to", "+2h", "--why", "move"])

    removed = shell.run("silence", "remove", added.out.partition(":")[0])

    assert removed.status == 0, removed.err
    assert shell.run("silence", "list", "--all").out.startswith("No silence")
    assert read_all(bootstrap, names.silences)[-1].value is None


@pytest.mark.parametrize(
    "arguments, said",
    [
        ("--to -1h --why x", "--to -1h is not after the beginning"),
        ("--to tomorrow --why x", "--to tomorrow is no time"),
        ("--to +40d --why x", "at most 30 days"),
        (f"--to +1h --why x --provider {'p' * 65}", "no order has that"),
    ],
)
def test_a_silence_that_cannot_be_is_refused_in_one_sentence(
    arguments: str, said: str, tmp_path: Path
) -> None:
    shell = Shell({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, tmp_path)

    ended = shell.run("silence", "add", *arguments.split())

    (sentence,) = ended.complaints()
    assert (ended.status, said in sentence) == (2, True), sentence


def test_without_its_topic_it_says_what_to_type(
    bootstrap: str, names: Names, tmp_path: Path
) -> None:
    shell = Shell(names.env(bootstrap), tmp_path)

    ended = shell.run(*["silence", "add", "--to", "+1h", "--why", "move"])

    assert ended.complaints() == [
        f"The topic {names.silences} does not exist. Type: returnwatch topics create"
    ]
