"""Malformed records of every kind, on both topics, set aside by the worker as users run it."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from schemas.records import Record, Unreadable
from tests.broker.orders import Desk, a_return, submission
from tests.broker.records import NewRecord, StoredRecord
from tests.broker.topics import Names, create_topics
from tests.broker.worker import WorkerProcess
from tests.events import read_return, read_submission

StartWorker = Callable[..., WorkerProcess]
Make = Callable[..., NewRecord]
Bad = tuple[NewRecord, list[str]]  # A record, and the fields that are told.

pytestmark = pytest.mark.real_kafka

QUICK: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "2",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.5",
}


def bad_records(make: Make, moment: str) -> dict[str, Bad]:
    """What can be wrong on either side; the key tells which it was."""
    return {
        "not JSON": (NewRecord(b"a", b"{not json"), ["value"]),
        "empty": (NewRecord(b"b", b""), ["value"]),
        "a tombstone": (NewRecord(b"c", None), ["value"]),
        "no key": (make("d")._replace(key=None), ["key"]),
        "a key unlike order_id": (make("other")._replace(key=b"e"), ["key"]),
        "a number in a string": (make("f", **{moment: "1767225600000"}), [moment]),
        "a float for an integer": (make("g", attempt=1.0), ["attempt"]),
        "bad UTF-8": (NewRecord(b"h", b'{"order_id": "h\xff"}'), ["value"]),
        "a megabyte": (NewRecord(b"i", b'"%s' % (b"k" * 1_048_000)), ["value"]),
        "a negative time": (make("j", **{moment: -1}), [moment]),
        "a far future time": (make("k", **{moment: 2**52}), [moment]),
        "an array": (NewRecord(b"l", b"[1, 2]"), ["value"]),
        "several at once": (make("m", **{moment: None, "attempt": 0}), [moment, "attempt"]),
    }


SUBMITTED: Final = bad_records(submission, "submitted_at") | {
    "a float for money": (submission("n", amount_minor=12.5, currency="EUR"), ["amount_minor"]),
    "money without its currency": (submission("o", amount_minor=1250), ["currency"]),
    "a name that is too long": (submission("p", kind="k" * 65), ["kind"]),
}
RETURNED: Final = bad_records(a_return, "returned_at") | {
    "an outcome that there is not": (a_return("n", outcome="lost"), ["outcome"]),
}
SIDES: Final = {
    "order-submitted": (SUBMITTED, Desk.feed_submitted, read_submission),
    "order-returned": (RETURNED, Desk.feed_returned, read_return),
}


@pytest.fixture
def env(bootstrap: str, names: Names) -> dict[str, str]:
    create_topics(bootstrap, names.topics(2))
    return names.env(bootstrap, **QUICK)


@pytest.fixture
def desk(bootstrap: str, names: Names) -> Desk:
    return Desk(bootstrap, names)


@pytest.mark.parametrize("side", SIDES)
def test_malformed_records_are_set_aside_with_a_hint_that_mends_them_and_the_worker_goes_on(
    start_worker: StartWorker, env: dict[str, str], desk: Desk, side: str
) -> None:
    bad, feed, read = SIDES[side]
    worker = start_worker(env)
    worker.wait_until_ready()
    feed(desk, [record for record, _ in bad.values()])
    desk.submit("lost")

    letters = {(letter.key, letter.value): letter for letter in desk.wait_for_letters(len(bad))}
    assert letters.keys() == {(record.key, record.value) for record, _ in bad.values()}
    for kind, (record, fields) in bad.items():
        letter = letters[record.key, record.value]
        problems = problems_of(letter)
        assert [problem["field"] for problem in problems] == fields, kind
        assert not isinstance(read(mended(letter, problems)), Unreadable), (kind, problems)
    assert [alert["order_id"] for alert in desk.wait_for_alerts(1)] == ["lost"]
    assert worker.metric("returnwatch_records_read_total") == len(bad) + 1
    assert worker.metric("returnwatch_dead_letters_total") == len(bad)


def test_a_slip_beside_the_answer_leaves_a_return_an_answer(
    start_worker: StartWorker, env: dict[str, str], desk: Desk
) -> None:
    start_worker(env).wait_until_ready()
    desk.submit("paid", "lost")

    desk.answer("paid", amount_minor=12.5, currency="EUR", message=7)

    desk.wait_for_alerts(1)
    assert desk.told() == [("timed_out", "lost")]


def problems_of(letter: StoredRecord) -> list[dict[str, str]]:
    problems: list[dict[str, str]] = json.loads(dict(letter.headers)["returnwatch-problems"])
    return problems


def mended(letter: StoredRecord, problems: list[dict[str, str]]) -> Record:
    """The record as its sender would write it who takes every hint."""
    hints = {problem["field"]: problem["hint"] for problem in problems}
    whole = hints.pop("value", None)
    fields: dict[str, Any] = json.loads(whole or letter.value or b"")
    key = hints.pop("key", None)
    fields |= {name: json.loads(hint.split(" or ")[0]) for name, hint in hints.items()}
    if key is not None:
        fields["order_id"] = key
    order_id: str = fields["order_id"]
    value = json.dumps(fields).encode()
    return Record(letter.offset, letter.timestamp_ms, order_id.encode(), value, ())
