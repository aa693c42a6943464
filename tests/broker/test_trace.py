"""`returnwatch trace` on a real broker: one order of each kind, with the real worker's alerts."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from schemas.times import milliseconds
from streams.partitioners import HASHES, partition_by
from tests.broker.orders import Desk, a_return, submission
from tests.broker.records import NewRecord
from tests.broker.shell import Shell
from tests.broker.source import Broker
from tests.broker.topics import create_topics, delete_topics, new_names
from tests.broker.worker import WorkerProcess

pytestmark = pytest.mark.real_kafka

PARTITIONS: Final = 5
QUICK: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "1.5",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_HOLD_S": "1",
    "RETURNWATCH_REMEMBER_S": "60",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.5",
}
# Before the late returns: lost, late, again, silent and astray time out, never and astray are
# unmatched, twice is contradicted.
ALERTS: Final = 8
LETTERS: Final = 3
PAID_PARTITION: Final = partition_by("murmur2", b"paid-1", PARTITIONS)


@pytest.fixture(scope="module")
def town(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell on topics that hold an order of each kind, all of them decided."""
    names = new_names()
    folder = tmp_path_factory.mktemp("town")
    create_topics(broker.bootstrap, names.topics(PARTITIONS))
    env = names.env(broker.bootstrap, **QUICK)
    try:
        with WorkerProcess(env, folder) as worker:
            worker.wait_until_ready()
            play(Desk(broker.bootstrap, names))
            worker.terminate()
        yield Shell(env, folder)
    finally:
        if not broker.ours:
            delete_topics(broker.bootstrap, names.topics())


def play(desk: Desk) -> None:
    desk.submit("paid-1", provider="acme", amount_minor=1250, currency="EUR")
    desk.answer("paid-1")
    desk.submit("lost-1", "late-1", "twice-1", "again-1")
    desk.answer("lost-1", outcome="pending", code="QUEUED")
    desk.answer("twice-1")
    desk.answer("twice-1", outcome="rejected")
    desk.answer("never-1")
    desk.answer("early-1")
    desk.submit("early-1")
    desk.feed_submitted([submission("broken-1", attempt=0)])
    desk.feed_submitted([submission("inside-1")._replace(key=b"quite-other")])
    desk.submit("silent-1")
    desk.feed_returned([NewRecord(b"silent-1", b'{"order_id": "silent-1", "outcome": "lost"}')])
    desk.submit("astray-1")
    desk.feed_returned([a_return("astray-1")._replace(partition=elsewhere("astray-1"))])
    desk.wait_for_alerts(ALERTS)
    desk.answer("late-1", code="200")
    desk.submit("again-1", attempt=2)
    desk.answer("again-1", attempt=2)
    desk.wait_for_alerts(ALERTS + 2)
    desk.wait_for_letters(LETTERS)


def elsewhere(order_id: str) -> int:
    """A partition where no producer would put it."""
    its = {partition_by(name, order_id.encode(), PARTITIONS) for name in HASHES}
    return min(set(range(PARTITIONS)) - its)


def traced(shell: Shell, *words: str) -> dict[str, Any]:
    ended = shell.run("trace", "--json", *words)
    assert ended.err == "", ended.err
    document: dict[str, Any] = json.loads(ended.out)
    return document


def roles(document: dict[str, Any]) -> list[str]:
    return [step["role"] for step in document["steps"]]


def notes(document: dict[str, Any]) -> str:
    return "\n".join(note for step in document["steps"] for note in step["notes"])


STORIES: Final = {
    "paid-1": ("answered", ["submitted", "returned"], "Answered: accepted"),
    "lost-1": ("timed_out", ["submitted", "returned", "timer", "alert"], "pending QUEUED"),
    "late-1": (
        "returned_late",
        ["submitted", "timer", "alert", "returned", "alert"],
        "Late: attempt 1 timed out at",
    ),
    "twice-1": (
        "conflicting_return",
        ["submitted", "returned", "returned", "alert"],
        "answered accepted, and then rejected came",
    ),
    "again-1": (
        "returned_late",
        ["submitted", "timer", "alert", "submitted", "returned", "alert"],
        "Late: attempt 1 timed out at",
    ),
    "never-1": ("unmatched_return", ["returned", "timer", "alert"], "Unmatched: accepted"),
    "early-1": ("answered", ["returned", "submitted"], "accepted came first"),
    "broken-1": ("set_aside", ["submitted", "dead letter"], "(attempt must be an integer"),
    "inside-1": ("set_aside", ["dead letter"], "only in the dead letters"),
    "silent-1": (
        "timed_out",
        ["submitted", "returned", "dead letter", "timer", "alert"],
        "that cannot be read (returned_at, outcome)",
    ),
}


@pytest.mark.parametrize("order_id", STORIES)
def test_every_kind_of_story_is_told_in_time_order_with_its_end(town: Shell, order_id: str) -> None:
    ending, parts, words = STORIES[order_id]

    told = traced(town, order_id)

    assert (told["ending"], roles(told)) == (ending, parts)
    assert words in told["happened"]
    assert [step["at"] for step in told["steps"]] == sorted(step["at"] for step in told["steps"])
    assert (told["untold"], told["unexplained"]) == ([], [])
    assert told["near_misses"] == []


def test_each_record_is_there_parsed_and_raw_with_its_place(town: Shell) -> None:
    told = traced(town, "paid-1")

    submitted, returned = told["steps"]
    assert submitted["parsed"]["provider"] == "acme"
    assert json.loads(submitted["raw"]["value"])["amount_minor"] == 1250
    assert submitted["topic"].endswith("order-submitted")
    assert submitted["partition"] == returned["partition"] == PAID_PARTITION
    assert submitted["timestamp_ms"] <= returned["timestamp_ms"]
    assert "+ 1.5 s (rule default, critical) =" in submitted["notes"][1]
    assert told["read"]["looked_around"] is False


def test_an_alert_says_by_whom_and_at_which_frontier_it_was_decided(town: Shell) -> None:
    told = traced(town, "lost-1")

    alert = told["steps"][-1]
    deadline_ms = milliseconds(alert["parsed"]["deadline"])
    assert int(alert["decision"]["frontier"]) > deadline_ms
    assert alert["decision"]["worker"]
    assert "everything before the frontier" in alert["notes"][0]


def test_a_return_in_a_wrong_partition_is_found_and_said_to_be_parted(town: Shell) -> None:
    around = traced(town, "astray-1")
    everywhere = traced(town, "astray-1", "--all-partitions")
    only_its_own = traced(town, "astray-1", "--exact")

    assert around["ending"] == everywhere["ending"] == "parted"
    assert "partitions by another hash, key or count" in everywhere["happened"]
    assert sorted(roles(everywhere)) == sorted(
        ["submitted", "timer", "alert", "returned", "timer", "alert"]
    )
    assert (only_its_own["ending"], len(only_its_own["steps"])) == ("timed_out", 3)


@pytest.mark.parametrize("typed", ["PAID-1", " paid-1", "paid-001", "shop/paid-1", "paid 1"])
def test_an_id_that_is_not_there_is_answered_with_those_that_are_alike(
    town: Shell, typed: str
) -> None:
    ended = town.run("trace", "--json", typed)

    told = json.loads(ended.out)
    assert (ended.status, told["ending"], told["steps"]) == (1, "unknown", [])
    (near,) = told["near_misses"]
    assert (near["order_id"], near["records"]) == ("paid-1", 2)


def test_an_unknown_order_has_status_1_and_says_what_was_read(town: Shell) -> None:
    ended = town.run("trace", "nowhere-77")

    assert (ended.status, ended.err) == (1, "")
    happened, read = ended.out.splitlines()
    assert happened == "Unknown: nothing of this id was found."
    assert "the other partitions for ids that are alike" in read


def test_for_people_it_ends_with_what_happened_and_what_was_read(town: Shell) -> None:
    ended = town.run("trace", "late-1")

    assert (ended.status, ended.err) == (0, "")
    *steps, empty, happened, read = ended.out.splitlines()
    assert empty == ""
    assert happened.startswith("Late: attempt 1 timed out at")
    assert read.startswith("Read: ")
    assert any("returned_late      late-1 accepted" in step for step in steps)


def test_what_was_written_outside_the_times_given_is_not_told(town: Shell) -> None:
    before = traced(town, "paid-1", "--to=-1h", "--exact")
    whole = traced(town, "paid-1", "--from=-1h")

    assert before["ending"] == "unknown"
    assert whole["ending"] == "answered"


def test_it_tells_by_the_rules_that_the_worker_decided_by_not_by_those_here(town: Shell) -> None:
    patient = Shell(town.env, town.folder, {"RETURNWATCH_RETURN_WITHIN_S": "600"})

    told_of = traced(patient, "lost-1")
    answered = traced(patient, "paid-1")

    assert (told_of["ending"], told_of["unexplained"]) == ("timed_out", [])
    assert "+ 1.5 s (rule default, critical) =" in notes(told_of)
    assert "+ 1.5 s (rule default, critical) =" in notes(answered)


def test_where_those_rules_are_not_to_be_found_it_says_what_they_leave_unexplained(
    town: Shell,
) -> None:
    stranger = Shell(
        town.env,
        town.folder,
        {"RETURNWATCH_RETURN_WITHIN_S": "600", "RETURNWATCH_APP_ID": "quite-another"},
    )

    told = traced(stranger, "lost-1")

    assert [alert["type"] for alert in told["unexplained"]] == ["timed_out"]
    assert "which these records do not give under the rules" in told["happened"]


def test_a_topic_that_is_not_there_is_one_sentence(town: Shell) -> None:
    lost = Shell(town.env, town.folder, {"RETURNWATCH_ALERTS_TOPIC": "no-such-topic"})

    ended = lost.run("trace", "paid-1")

    (sentence,) = ended.complaints()
    assert (ended.status, ended.out) == (1, "")
    assert sentence.startswith("The topic no-such-topic does not exist")
