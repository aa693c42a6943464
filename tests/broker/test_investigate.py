"""Replay and diff on a real Kafka: outputs, logs that are cut or held back, what is refused."""

import json
import re
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from schemas.records import RETURNED, SUBMITTED
from tests.broker import history
from tests.broker.orders import a_return, now_ms, submission
from tests.broker.records import NewRecord, produce, put, read_all, transaction
from tests.broker.shell import TIMEOUT_S, Shell
from tests.broker.topics import Names, create_topics, cut_off

pytestmark = pytest.mark.real_kafka

PAGE: Final = (Path(__file__).parents[2] / "docs/investigate.md").read_text()
SETTINGS: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "10",
    "RETURNWATCH_HOLD_S": "5",
    "RETURNWATCH_REMEMBER_S": "20",
    "RETURNWATCH_GRACE_S": "0.3",
}


@pytest.fixture
def shell(bootstrap: str, names: Names, tmp_path: Path) -> Shell:
    create_topics(bootstrap, history.topics_of(names, 2))
    return Shell(names.env(bootstrap, **SETTINGS), tmp_path)


@pytest.fixture
def begin_ms() -> int:
    return now_ms() - history.HOUR_MS


def at(record: NewRecord, time_ms: int, partition: int = 0) -> NewRecord:
    """The record as if it had been written then."""
    value = json.loads(record.value or b"")
    moment = "submitted_at" if "submitted_at" in value else "returned_at"
    text = json.dumps(value | {moment: time_ms}).encode()
    return record._replace(value=text, timestamp_ms=time_ms, partition=partition)


@pytest.fixture
def stories(shell: Shell, bootstrap: str, names: Names, begin_ms: int) -> list[str]:
    """One order of each end, and one return that nobody waits for; the alerts in their order."""
    money: dict[str, Any] = {"amount_minor": 250, "currency": "EUR", "provider": '=acme, "1"\n'}
    sent = [
        at(submission("fine", **money), begin_ms),
        at(submission("lost", **money), begin_ms, 1),
        at(submission("late", kind="ünit", **money), begin_ms + 1_000),
    ]
    back = [
        at(a_return("stranger", code="403"), begin_ms, 1),
        at(a_return("fine"), begin_ms + 9_000),
        at(a_return("fine", outcome="rejected"), begin_ms + 9_500),
        at(a_return("late"), begin_ms + 14_000),
    ]
    history.write(bootstrap, names, [(SUBMITTED, it) for it in sent])
    history.write(bootstrap, names, [(RETURNED, it) for it in back])
    return ["stranger", "fine", "lost", "late", "late"]


def orders(lines: str) -> list[str]:
    return [json.loads(line)["order_id"] for line in lines.splitlines()]


# Outputs.


def test_the_summary_tells_alerts_and_money_and_that_nothing_is_missing(
    shell: Shell, stories: list[str]
) -> None:
    ended = shell.run("replay")

    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("7 records of 2 partitions in ")
    assert re.search(r"timed_out +2 +500 EUR", ended.out)
    assert re.search(r"returned_late +1 +250 EUR", ended.out)
    assert re.search(r"unmatched_return +1", ended.out)
    assert re.search(r"conflicting_return +1", ended.out)
    assert "Complete: nothing that verdicts in the stretch need is missing." in ended.out


def test_alerts_come_in_the_order_of_time_the_same_from_two_processes(
    shell: Shell, stories: list[str]
) -> None:
    one = shell.run("replay", "--out", "-")
    two = shell.run("replay", "--out", "-", "--processes", "2")

    assert orders(one.out) == stories
    assert two.out == one.out


def test_parquet_csv_and_json_lines_hold_the_same_alerts(shell: Shell, stories: list[str]) -> None:
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        ended = shell.run("replay", "--out", name)
        assert (ended.status, ended.err) == (0, ""), name
        assert f"5 alerts are in {name}." in ended.out

    lines = (shell.folder / "a.jsonl").read_text().splitlines()
    for name in ("a.csv", "a.parquet"):
        table = duckdb.sql(f"FROM '{shell.folder / name}' SELECT value")
        assert [value for (value,) in table.fetchall()] == lines
        assert shell.run("diff", "a.jsonl", name).status == 0
    typed = duckdb.sql(
        f"FROM '{shell.folder / 'a.parquet'}' SELECT type, sum(amount_minor), "
        "max(epoch_ms(deadline) - epoch_ms(submitted_at)) GROUP BY type ORDER BY type"
    )
    assert typed.fetchall() == [
        ("conflicting_return", None, None),
        ("returned_late", 250, 10_000),
        ("timed_out", 500, 10_000),
        ("unmatched_return", None, None),
    ]
    assert sorted(path.name for path in shell.folder.iterdir()) == ["a.csv", "a.jsonl", "a.parquet"]
    section = PAGE.split("\n## A stretch again: `returnwatch replay`\n")[1].split("\n## ")[0]
    (of_page,) = re.findall(r"(?s)```sql\n(.+?)```", section)
    found = duckdb.sql(of_page.replace("now.parquet", str(shell.folder / "a.parquet"))).fetchall()
    assert sum(alerts for _, _, alerts, _ in found) == 2
    assert sum(amount for *_, amount in found if amount is not None) == 500


def test_to_a_topic_go_the_same_alerts_marked_as_a_replay(
    shell: Shell, stories: list[str], bootstrap: str, names: Names
) -> None:
    topic = f"{names.app_id}-replay"
    create_topics(bootstrap, {topic: (2, {})})

    ended = shell.run("replay", "--to-topic", topic, "--out", "a.jsonl")

    assert ended.status == 0, ended.err
    written = read_all(bootstrap, topic)
    replay_ids = {dict(record.headers)["replay_id"].decode() for record in written}
    assert len(replay_ids) == 1
    assert f"replay_id {replay_ids.pop()}" in ended.out
    lines = (shell.folder / "a.jsonl").read_bytes().splitlines()
    assert history.values(written) == sorted(lines)
    assert [record.key for record in written if record.partition == 1] == [b"stranger", b"lost"]
    assert all(dict(record.headers)["ce_specversion"] == b"1.0" for record in written)
    assert read_all(bootstrap, names.alerts) == []


def test_another_deadline_is_compared_with_what_was_told_and_gives_status_1(
    shell: Shell, stories: list[str], bootstrap: str, names: Names
) -> None:
    shell.run("replay", "--out", "before.jsonl")

    what_if = shell.run("replay", "--return-within-s", "14", "--diff", "before.jsonl")
    same = shell.run("replay", "--diff", "before.jsonl")
    live = shell.run("diff", "live", "before.jsonl")

    assert (what_if.status, same.status, live.status) == (1, 0, 1)
    assert re.search(r"removed +2 +1 +1 +0 +0 +500 EUR", what_if.out), what_if.out
    assert re.search(r"changed +1 +1 +0 +0 +0 +250 EUR", what_if.out), what_if.out
    assert "unlike in alert_id, deadline, return_within_ms" in what_if.out
    assert "live has 0 alerts, before.jsonl has 5." in live.out


def test_offsets_say_where_a_stretch_begins_and_ends_in_the_partitions_they_name(
    shell: Shell, stories: list[str]
) -> None:
    from_start = shell.run("replay", "--out", "-", "--from", "0:0/0")
    part = shell.run("replay", "--out", "-", "--from", "0:2/1", "--to", "0:3/2")

    assert orders(from_start.out) == ["fine", "late", "late"]
    assert orders(part.out) == ["fine", "late"]


# Logs that are not whole.


def test_where_retention_has_cut_the_results_their_orders_are_not_told_and_it_says_so(
    shell: Shell, stories: list[str], bootstrap: str, names: Names
) -> None:
    cut_off(bootstrap, names.returned, {0: 2})

    ended = shell.run("replay", "--out", "-")

    assert orders(ended.out) == ["stranger", "lost"]
    assert ended.status == 0
    assert f"{names.returned} partition 0 begins at offset 2, " in ended.err
    assert "orders submitted until then are not told as timed out" in ended.err
    assert "2 time-outs are not told for that." in ended.err
    assert "Complete" not in ended.err


def test_where_retention_has_cut_the_submissions_results_are_not_told_as_unmatched(
    shell: Shell, stories: list[str], bootstrap: str, names: Names
) -> None:
    cut_off(bootstrap, names.submitted, {0: 2})

    ended = shell.run("replay", "--out", "-")

    assert orders(ended.out) == ["stranger", "fine", "lost"]
    assert f"{names.submitted} partition 0 begins at offset 2, " in ended.err
    assert "orders submitted before are unknown" in ended.err


def test_a_transaction_that_was_aborted_is_as_if_it_had_not_been(
    shell: Shell, bootstrap: str, names: Names, begin_ms: int
) -> None:
    sent = at(submission("lost"), begin_ms)
    ignored = at(a_return("lost"), begin_ms + 1_000)
    kept = at(a_return("other"), begin_ms + 2_000)
    produce(bootstrap, names.submitted, [sent])
    with transaction(bootstrap) as producer:
        put(producer, names.returned, ignored)
        producer.flush()
        producer.abort_transaction()
    with transaction(bootstrap) as producer:
        put(producer, names.returned, kept)
        producer.commit_transaction()

    ended = shell.run("replay", "--out", "-")

    assert orders(ended.out) == ["other", "lost"], ended.err


def test_an_open_transaction_holds_back_what_is_decided_and_is_named(
    shell: Shell, stories: list[str], bootstrap: str, names: Names, begin_ms: int
) -> None:
    with transaction(bootstrap) as producer:
        put(producer, names.returned, at(a_return("later"), begin_ms + 60_000))
        producer.flush()

        ended = shell.run("replay", "--out", "-")

    assert ended.status == 0, ended.err
    assert f"{names.returned} partition 0 has an open transaction at offset 3" in ended.err
    assert orders(ended.out) == ["stranger", "fine", "lost", "late"]


def test_before_the_end_of_the_stretch_an_open_transaction_does_not_matter(
    shell: Shell, stories: list[str], bootstrap: str, names: Names, begin_ms: int
) -> None:
    with transaction(bootstrap) as producer:
        put(producer, names.returned, at(a_return("later"), begin_ms + 60_000))
        producer.flush()

        ended = shell.run("replay", "--out", "-", "--to", "0:3/2")

    assert orders(ended.out) == ["fine", "late"]
    assert "transaction" not in ended.err


# What is refused.


@pytest.mark.parametrize("command", ["replay", "audit"])
def test_a_topic_that_is_not_there_is_one_sentence(
    command: str, shell: Shell, names: Names
) -> None:
    shell.more["RETURNWATCH_RETURNED_TOPIC"] = f"{names.app_id}-nowhere"
    shell.more["RETURNWATCH_ALERTS_TOPIC"] = f"{names.app_id}-nowhere-too"
    missing = {"replay": f"{names.app_id}-nowhere", "audit": f"{names.app_id}-nowhere-too"}

    ended = shell.run(command)

    assert ended.status == 1
    assert ended.complaints() == [
        f"The topic {missing[command]} does not exist. Type: returnwatch topics create"
    ]


def test_a_topic_for_the_output_that_is_not_there_is_one_sentence(
    shell: Shell, stories: list[str], names: Names
) -> None:
    ended = shell.run("replay", "--to-topic", f"{names.app_id}-nowhere")

    assert ended.status == 1
    assert ended.complaints() == [
        f"The topic {names.app_id}-nowhere does not exist. Check its name, or make it."
    ]


def test_a_topic_for_the_output_that_is_too_narrow_is_one_sentence(
    shell: Shell, stories: list[str], bootstrap: str, names: Names
) -> None:
    topic = f"{names.app_id}-narrow"
    create_topics(bootstrap, {topic: (1, {})})

    ended = shell.run("replay", "--to-topic", topic)

    assert ended.status == 2
    assert ended.complaints() == [
        f"{topic} has 1 partition, the alerts of this replay need 2: widen it, or give another."
    ]


def test_a_file_of_something_else_is_one_sentence(shell: Shell, stories: list[str]) -> None:
    (shell.folder / "other.jsonl").write_text('{"a": 1}\n')
    (shell.folder / "other.parquet").write_text("PAR1")
    (shell.folder / "other.csv").write_text("a,b\n1,2\n")

    ended = [shell.run("diff", "live", f"other.{kind}") for kind in ("jsonl", "parquet", "csv")]

    assert [each.status for each in ended] == [2, 2, 2]
    for each in ended:
        (sentence,) = each.complaints()
        assert "is no file of alerts" in sentence or "a value that is no alert" in sentence


def test_without_pyarrow_parquet_says_what_to_install(shell: Shell) -> None:
    hidden = shell.folder / "pyarrow"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ImportError('not here')")
    shell.more["PYTHONPATH"] = f"{shell.folder}:{Path(__file__).parents[2]}"

    ended = shell.run("replay", "--out", "a.parquet")

    assert ended.status == 2
    assert ended.complaints() == ["Parquet needs pyarrow. Type: pip install 'returnwatch[parquet]'"]


def test_into_a_pipe_that_is_closed_there_is_no_traceback(
    shell: Shell, bootstrap: str, names: Names, begin_ms: int
) -> None:
    many = [at(submission(f"{'x' * 100}-{number}"), begin_ms + number) for number in range(3_000)]
    produce(bootstrap, names.submitted, many)

    with shell.open("replay", "--out", "-") as piped:
        assert piped.stdout is not None
        assert piped.stderr is not None
        first = piped.stdout.readline()
        piped.stdout.close()
        err = piped.stderr.read().decode()
        status = piped.wait(TIMEOUT_S)

    assert json.loads(first)["type"] == "timed_out"
    assert status == 0, err
    assert "Traceback" not in err
    assert "Broken" not in err
