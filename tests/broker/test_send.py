"""`returnwatch send` on a real broker: what arrives, what is refused, how it ends."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Final

import pytest

from streams.partitioners import partition_by
from tests.broker.orders import a_return, submission
from tests.broker.records import read_all, read_until
from tests.broker.shell import TIMEOUT_S, Shell
from tests.broker.topics import Names, create_topics

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


def test_lines_are_sent_keyed_with_their_order_id_and_partitioned_as_java_does(
    shell: Shell, bootstrap: str, topics: Names
) -> None:
    ids = [*ODD_IDS, *map(str, range(20))]
    lines = [submission(order_id).value or b"" for order_id in ids]

    sent = shell.run("send", topics.submitted, text=b"\n".join([*lines, b"", b"  "]))

    records = read_all(bootstrap, topics.submitted)
    assert (sent.status, sent.out) == (0, "")
    assert sent.err == f"24 sent to {topics.submitted}\n"
    assert {record.key: record.value for record in records} == {
        order_id.encode(): line for order_id, line in zip(ids, lines, strict=True)
    }
    for record in records:
        assert record.partition == partition_by("murmur2", record.key or b"", 3)


def test_a_wrong_line_is_named_and_left_out_and_the_others_are_sent(
    shell: Shell, bootstrap: str, topics: Names
) -> None:
    good = a_return("good").value or b""
    bad = [b"{", b'{"order_id": "a"}', a_return("a", outcome="fine").value or b"", b"[1]", b"\xff"]

    sent = shell.run("send", topics.returned, text=b"\n".join([*bad, good]))

    *complaints, summary = sent.err.splitlines()
    assert sent.status == 1
    assert summary == f"1 sent to {topics.returned}, 5 refused"
    assert all(line.startswith("returnwatch: line ") for line in complaints)
    assert {line.split()[2] for line in complaints} == {"1:", "2:", "3:", "4:", "5:"}
    assert any("line 3: outcome" in line and "; right would be " in line for line in complaints)
    assert [record.value for record in read_all(bootstrap, topics.returned)] == [good]


def test_a_topic_that_is_no_input_is_refused_and_raw_sends_anything_anywhere(
    shell: Shell, bootstrap: str, topics: Names
) -> None:
    refused = shell.run("send", topics.alerts, text=b"{}")
    sent = shell.run("send", topics.alerts, "--raw", text=b'nonsense\n{"order_id":"k"}\n\xff\xfe')

    (sentence,) = refused.complaints()
    assert refused.status == 2
    assert f"There is no schema for {topics.alerts}" in sentence
    assert sent.status == 0, sent.err
    assert {(record.key, record.value) for record in read_all(bootstrap, topics.alerts)} == {
        (None, b"nonsense"),
        (b"k", b'{"order_id":"k"}'),
        (None, b"\xff\xfe"),
    }


def test_a_topic_that_is_not_there_is_one_sentence(shell: Shell, names: Names) -> None:
    ended = shell.run("send", names.submitted, text=submission("a").value or b"")

    (sentence,) = ended.complaints()
    assert ended.status == 1
    assert sentence == (
        f"The topic {names.submitted} does not exist. Type: returnwatch topics create"
    )


def test_a_line_that_is_too_large_is_named_with_its_size_and_the_others_are_sent(
    shell: Shell, bootstrap: str, topics: Names
) -> None:
    # The topic takes a little more than the producer, and the record is more than its line.
    sizes = [1_500_000, 1024 * 1024, 1024 * 1024 - 8]
    large = [b"x" * size for size in sizes]
    lines = [b'{"order_id":"a"}', *large, b'{"order_id":"b"}']

    ended = shell.run("send", topics.submitted, "--raw", text=b"\n".join(lines))

    *complaints, summary = ended.err.splitlines()
    assert ended.status == 1
    assert summary == f"2 sent to {topics.submitted}, 3 refused"
    assert complaints == [
        f"returnwatch: line {number}: its {size} bytes are too many, {topics.submitted} takes "
        f"records of up to {1024 * 1024} bytes, key and headers included"
        for number, size in enumerate(sizes, start=2)
    ]
    assert {it.key for it in read_all(bootstrap, topics.submitted)} == {b"a", b"b"}


def test_a_line_is_kept_to_what_the_topic_takes_so_that_those_after_it_arrive(
    shell: Shell, bootstrap: str, names: Names
) -> None:
    create_topics(bootstrap, {names.submitted: (1, {"max.message.bytes": "2000"})})
    keys = [b"%d" % number for number in range(500)]
    small = [b'{"order_id":"%s"}' % key for key in keys]
    lines = [small[0], b"x" * 1_990, *small[1:]]

    ended = shell.run("send", names.submitted, "--raw", text=b"\n".join(lines))

    assert ended.status == 1
    assert "line 2: its 1990 bytes are too many" in ended.err
    assert [it.key for it in read_all(bootstrap, names.submitted)] == keys


def test_a_line_is_sent_at_once_and_ctrl_c_ends_it_with_what_was_sent(
    shell: Shell, bootstrap: str, topics: Names
) -> None:
    with shell.open("send", topics.submitted, stdin=subprocess.PIPE) as sending:
        assert sending.stdin is not None
        assert sending.stderr is not None
        sending.stdin.write((submission("a").value or b"") + b"\n")
        sending.stdin.flush()
        (record,) = read_until(bootstrap, topics.submitted, 1)
        began_s = time.monotonic()
        sending.send_signal(signal.SIGINT)
        status = sending.wait(TIMEOUT_S)
        took_s = time.monotonic() - began_s
        told = sending.stderr.read()

    assert record.key == b"a"
    assert (status, told.decode()) == (130, f"1 sent to {topics.submitted}\n")
    assert took_s < 5  # One second on a machine that is not busy.


def test_a_line_that_is_nested_too_deep_is_a_wrong_line_or_sent_raw_without_a_key(
    shell: Shell, bootstrap: str, topics: Names
) -> None:
    deep = b'{"order_id":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    refused = shell.run("send", topics.submitted, text=deep)
    raw = shell.run("send", topics.submitted, "--raw", text=deep)

    assert refused.status == 1
    assert "line 1: value is nested deeper than 200 levels" in refused.err
    assert (raw.status, raw.err) == (0, f"1 sent to {topics.submitted}\n")
    assert [record.key for record in read_all(bootstrap, topics.submitted)] == [None]


def test_a_cloud_event_in_structured_mode_is_sent_as_one(
    shell: Shell, bootstrap: str, topics: Names
) -> None:
    data = (submission("a").value or b"").decode()
    event = f'{{"specversion":"1.0","id":"1","source":"s","type":"t","data":{data}}}'.encode()

    ended = shell.run("send", topics.submitted, text=event)

    (record,) = read_all(bootstrap, topics.submitted)
    assert ended.status == 0, ended.err
    assert (record.key, record.value) == (b"a", event)
    assert record.headers == [("content-type", b"application/cloudevents+json")]


def test_a_topic_that_is_not_ours_is_to_be_made_with_kafkas_own_command(
    shell: Shell, bootstrap: str, names: Names
) -> None:
    nowhere = f"{names.app_id}-nowhere"

    ended = shell.run("send", nowhere, "--raw", text=b"a")

    assert ended.status == 1
    assert ended.complaints() == [
        f"The topic {nowhere} does not exist. Type: kafka-topics.sh --bootstrap-server "
        f"{bootstrap} --create --topic {nowhere}"
    ]


def test_standard_input_that_cannot_be_read_is_one_sentence(shell: Shell, topics: Names) -> None:
    script = 'exec "$@" 0>>lines'
    command = ["sh", "-c", script, "sh", *shell.command("send", topics.submitted)]
    done = subprocess.run(
        command, capture_output=True, env=shell.whole_env(), cwd=shell.folder, check=False
    )

    assert done.returncode == 2
    assert b"returnwatch: Standard input cannot be read" in done.stderr
    assert b"Traceback" not in done.stderr
