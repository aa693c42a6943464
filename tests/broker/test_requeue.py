"""`returnwatch dead-letters` on a real broker: listed, shown, and sent again once each, whoever
dies or comes between."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.codec import dead_letter_headers, read_return, read_submission
from schemas.deadletters import DeadLetter, read_marker
from schemas.records import RETURNED, SUBMITTED, Record, Unreadable
from schemas.times import rfc3339
from streams.investigate.letters import Letters, Wish
from streams.investigate.requeue import Mender, Plan, Requeue, RequeueFailed
from streams.investigate.search import LogSearch
from streams.partitioners import partition_by
from tests.broker.orders import Desk, a_return, now_ms, submission
from tests.broker.records import NewRecord, StoredRecord, produce, put, read_all, transaction
from tests.broker.shell import TIMEOUT_S, Ended, Shell
from tests.broker.topics import Names, create_topics
from tests.broker.worker import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

pytestmark = pytest.mark.real_kafka

PARTITIONS: Final = 2
MANY: Final = 60
QUICK: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "1",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.5",
}
OWN: Final = (("trace-id", b"\xff\x00"), ("returnwatch-requeued", b"0:0"))


@dataclass(frozen=True, slots=True)
class Office:
    """One test's topics, with letters written into them as the worker writes them."""

    bootstrap: str
    names: Names
    shell: Shell

    def set_aside(self, side: int, record: NewRecord, at_ms: int | None = None) -> None:
        """As a dead letter in partition 0."""
        topic = (self.names.submitted, self.names.returned)[side]
        time_ms = now_ms() if at_ms is None else at_ms
        read = (read_submission, read_return)[side]
        event = read(Record(7, time_ms, record.key, record.value, record.headers))
        assert isinstance(event, Unreadable)
        headers = dead_letter_headers(DeadLetter(side, topic, 0, event))
        letter = NewRecord(record.key, record.value, headers, 0, time_ms)
        produce(self.bootstrap, self.names.dead_letters, [letter])

    def requeue(self, *words: str) -> Ended:
        return self.shell.run("dead-letters", "requeue", *words)

    def listed(self, *words: str) -> list[dict[str, Any]]:
        ended = self.shell.run("dead-letters", "list", "--json", *words)
        assert (ended.status, ended.err) == (0, "")
        return [json.loads(line) for line in ended.out.splitlines()]

    def submitted(self) -> list[StoredRecord]:
        return read_all(self.bootstrap, self.names.submitted)

    def markers(self) -> list[tuple[int, int]]:
        stored = read_all(self.bootstrap, self.names.dead_letters)
        records = (
            Record(it.offset, it.timestamp_ms, it.key, it.value, it.headers) for it in stored
        )
        return [mark.letter for record in records if (mark := read_marker(record)) is not None]


@pytest.fixture
def office(bootstrap: str, names: Names, tmp_path: Path) -> Office:
    create_topics(bootstrap, names.topics(PARTITIONS))
    return Office(bootstrap, names, Shell(names.env(bootstrap, **QUICK), tmp_path))


def broken(order_id: str, **fields: Any) -> NewRecord:
    return submission(order_id, **{"attempt": 0, **fields})._replace(headers=OWN)


# list, show


def test_letters_are_listed_by_topic_field_provider_and_time(office: Office) -> None:
    early_ms = now_ms() - 7_200_000
    office.set_aside(SUBMITTED, broken("a", provider="acme", submitted_at=early_ms), early_ms)
    office.set_aside(RETURNED, a_return("b", outcome="lost", provider="acme"))
    office.set_aside(SUBMITTED, NewRecord(b"c", b"no JSON"))

    def keys(*words: str) -> list[str]:
        return [letter["raw"]["key"] for letter in office.listed(*words)]

    assert keys() == ["a", "b", "c"]
    assert keys("--topic", office.names.returned) == ["b"]
    assert keys("--field", "attempt") == ["a"]
    assert keys("--provider", "acme") == ["a", "b"]
    assert keys("--from=-1h") == ["b", "c"]
    assert keys("--to=-1h") == ["a"]
    assert keys("--from", rfc3339(early_ms), "--to=-1h", "--provider", "acme") == ["a"]


def test_one_is_shown_with_its_problems_hints_and_the_record(office: Office) -> None:
    office.set_aside(SUBMITTED, broken("a"))

    ended = office.shell.run("dead-letters", "show", "0:0")

    assert (ended.status, ended.err) == (0, "")
    assert "0:0  " in ended.out
    assert f"{office.names.submitted} 0:7  key a" in ended.out
    assert "attempt must be an integer from 1 to 255, not 0" in ended.out
    assert "right would be: 1" in ended.out
    assert "header trace-id: \\xff\\x00" in ended.out
    assert '"attempt": 0' in ended.out


def test_a_letter_that_is_not_there_is_one_sentence(office: Office) -> None:
    shown = office.shell.run("dead-letters", "show", "0:99")
    sent = office.requeue("0:99")

    assert shown.status == sent.status == 1
    assert shown.complaints() == sent.complaints()
    assert shown.complaints()[0].startswith("there is no dead letter at")


# requeue


def test_a_fixed_record_goes_back_with_key_and_headers_and_the_worker_watches_it(
    office: Office, start_worker: StartWorker
) -> None:
    desk = Desk(office.bootstrap, office.names)
    worker = start_worker(office.shell.env)
    worker.wait_until_ready()
    desk.feed_submitted([broken("lost", player="ü")])
    (letter,) = desk.wait_for_letters(1)
    place = f"{letter.partition}:{letter.offset}"

    dry = office.requeue(place, "--fix", "attempt=2", "--dry-run")
    before = office.submitted()
    sent = office.requeue(place, "--fix", "attempt=2")
    (alert,) = desk.wait_for_alerts(1)
    again = office.requeue(place, "--fix", "attempt=2")

    assert [ended.status for ended in (dry, sent, again)] == [0, 0, 0]
    assert "1 would be sent again" in dry.out
    assert len(before) == 1
    assert "1 sent again" in sent.out
    assert "0 sent again, 1 sent before" in again.out
    first, second = office.submitted()
    assert (second.partition, second.key, tuple(second.headers)) == (first.partition, b"lost", OWN)
    fields = json.loads(first.value or b"")
    assert json.loads(second.value or b"") == {**fields, "attempt": 2}
    assert second.log_append_time
    assert (alert["order_id"], alert["attempt"]) == ("lost", 2)
    (listed,) = office.listed()
    assert listed["requeued"]["fixes"] == {"attempt": 2}
    assert worker.metric("returnwatch_dead_letters_total") == 1
    told = json.loads(office.shell.run("trace", "lost", "--json").out)
    roles = [step["role"] for step in told["steps"]]
    assert sorted(roles[:4]) == ["dead letter", "sent again", "submitted", "submitted"]
    assert roles[4:] == ["timer", "alert"]


def test_what_would_be_set_aside_again_is_not_sent_unless_that_is_asked_for(
    office: Office,
) -> None:
    office.set_aside(SUBMITTED, broken("a"))

    refused = office.requeue("--field", "attempt")
    unfixable = office.requeue("0:0", "--fix", 'attempt="2"')
    nothing = office.submitted()
    sent = office.requeue("0:0", "--unchecked")

    for ended in (refused, unfixable):
        (sentence,) = ended.complaints()
        assert ended.status == 1
        assert "0:0 is not sent, as it would be set aside again: attempt must be" in sentence
    assert nothing == []
    assert sent.status == 0
    assert len(office.submitted()) == 1


def test_a_record_without_a_key_gets_one_and_goes_where_that_belongs(office: Office) -> None:
    for number in range(4):
        office.set_aside(SUBMITTED, submission(f"n-{number}")._replace(key=None))
    for number in range(4):
        office.requeue(f"0:{number}", "--fix", f'key="n-{number}"')

    sent = office.submitted()
    assert sorted(record.key or b"" for record in sent) == [b"n-0", b"n-1", b"n-2", b"n-3"]
    assert {record.partition for record in sent} == {0, 1}
    for record in sent:
        assert record.partition == partition_by("murmur2", record.key or b"", PARTITIONS)


def test_two_requeues_at_the_same_time_send_each_record_once(office: Office) -> None:
    for number in range(MANY):
        office.set_aside(SUBMITTED, broken(f"o-{number}"))
    words = ("dead-letters", "requeue", "--field", "attempt", "--fix", "attempt=1")

    with office.shell.open(*words) as one, office.shell.open(*words) as other:
        outputs = [process.communicate(timeout=2 * TIMEOUT_S) for process in (one, other)]
    last = office.requeue("--field", "attempt", "--fix", "attempt=1")

    assert last.status == 0, outputs
    keys = sorted(record.key or b"" for record in office.submitted())
    assert keys == sorted(f"o-{number}".encode() for number in range(MANY))
    assert len(set(office.markers())) == len(office.markers()) == MANY


KILLED: Final = """
import os, sys
from aiokafka import AIOKafkaProducer
from streams import cli

commit = AIOKafkaProducer.commit_transaction

async def die_before(self):
    os._exit(99)

async def die_after(self):
    await commit(self)
    os._exit(99)

AIOKafkaProducer.commit_transaction = {"before": die_before, "after": die_after}[sys.argv[1]]
sys.exit(cli.run(sys.argv[2:]))
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_requeue_killed_around_its_commit_neither_loses_nor_doubles(
    office: Office, when: str
) -> None:
    office.set_aside(SUBMITTED, broken("a"))
    office.set_aside(SUBMITTED, broken("b"))
    words = ("dead-letters", "requeue", "--field", "attempt", "--fix", "attempt=1")

    killed = subprocess.run(
        [sys.executable, "-c", KILLED, when, *words],
        env=office.shell.whole_env(),
        cwd=office.shell.folder,
        timeout=TIMEOUT_S,
        check=False,
    )
    again = office.requeue(*words[2:])

    assert (killed.returncode, again.status) == (99, 0)
    assert ("2 sent again" if when == "before" else "0 sent again, 2 sent before") in again.out
    assert sorted(record.key or b"" for record in office.submitted()) == [b"a", b"b"]
    assert sorted(office.markers()) == [(0, 0), (0, 1)]


@dataclass(slots=True)
class Interrupted(Requeue):
    """Something happens between the look at the markers and the transaction."""

    between: Callable[[], Any] = print

    async def _letters_after_fence(self, search: LogSearch, number: int, wish: Wish) -> Letters:
        letters = await Requeue._letters_after_fence(self, search, number, wish)
        happens = self.between()
        if asyncio.iscoroutine(happens):
            await happens
        return letters


def job(office: Office, between: Callable[[], Any] | None = None) -> Requeue:
    names = office.names
    options = {"bootstrap_servers": office.bootstrap}
    mender = Mender(frozenset([names.submitted]), {}, {"attempt": 1})

    def told(_: Plan) -> None:
        return None

    arguments = (options, names.app_id, names.dead_letters, mender, told)
    return Requeue(*arguments) if between is None else Interrupted(*arguments, between)


def test_one_that_was_overtaken_between_its_look_and_its_sending_sends_nothing(
    office: Office,
) -> None:
    office.set_aside(SUBMITTED, broken("a"))

    overtaken = job(office, lambda: job(office).run(Wish(), dry=False))
    with pytest.raises(RequeueFailed, match="Another requeue has taken over"):
        asyncio.run(overtaken.run(Wish(), dry=False))

    assert [record.key for record in office.submitted()] == [b"a"]
    assert office.markers() == [(0, 0)]


def test_a_marker_behind_an_open_transaction_of_the_worker_is_waited_for(office: Office) -> None:
    office.set_aside(SUBMITTED, broken("a"))

    async def play() -> None:
        with transaction(office.bootstrap) as workers:

            def begin() -> None:
                put(workers, office.names.dead_letters, NewRecord(b"x", b"y", partition=0))
                workers.flush(TIMEOUT_S)

            await job(office, begin).run(Wish(), dry=False)
            second = asyncio.create_task(job(office).run(Wish(), dry=False))
            await asyncio.sleep(2)
            assert not second.done()
            await asyncio.to_thread(workers.commit_transaction, TIMEOUT_S)
            await second

    asyncio.run(play())

    assert [record.key for record in office.submitted()] == [b"a"]
    assert office.markers() == [(0, 0)]
