"""The story of an order from its records alone."""

import json
from typing import Any, Final

from aiokafka import TopicPartition

from schemas.alerts import alert_headers, encode_alert
from schemas.records import RETURNED, SUBMITTED, Record
from schemas.times import rfc3339
from streams.core.decisions import Place
from streams.core.rules import Policy, single_rule
from streams.investigate.documents import story_document
from streams.investigate.evidence import Evidence, FourTopics, Role, evidence_of
from streams.investigate.retelling import retell
from streams.investigate.story import Story, View, story_of

TOPICS: Final = FourTopics(
    "order-submitted", "order-returned", "order-alerts", "order-dead-letters"
)
POLICY: Final = Policy(single_rule(30_000), hold_ms=60_000, remember_ms=600_000)
T0: Final = 1_767_225_600_000
SIDES: Final = {SUBMITTED: "order-submitted", RETURNED: "order-returned"}


class Log:
    """Records of the order `a`, at seconds after T0."""

    def __init__(self) -> None:
        self.found: list[tuple[TopicPartition, Record]] = []

    def put(self, side: int, at_s: float, partition: int = 0, **fields: Any) -> "Log":
        at_ms = T0 + int(at_s * 1_000)
        moment = ("submitted_at", "returned_at")[side]
        value = json.dumps({"order_id": "a", moment: at_ms, **fields}).encode()
        record = Record(len(self.found), at_ms, b"a", value, [])
        self.found.append((TopicPartition(SIDES[side], partition), record))
        return self

    def submit(self, at_s: float, **fields: Any) -> "Log":
        return self.put(SUBMITTED, at_s, **fields)

    def answer(self, at_s: float, outcome: str = "accepted", **fields: Any) -> "Log":
        return self.put(RETURNED, at_s, outcome=outcome, **fields)

    def evidence(self) -> list[Evidence]:
        return evidence_of(TOPICS, self.found)

    def tell_all(self, until_s: float) -> "Log":
        """What a worker would have told by then."""
        place = Place("order-submitted", "order-returned", 0)
        until_ms = T0 + int(until_s * 1_000)
        turns = retell("a", place, self.evidence(), policy=POLICY, until_ms=until_ms)
        for alert in (alert for turn in turns for alert in turn.alerts):
            headers = [*alert_headers(alert, "/returnwatch/x"), ("returnwatch-frontier", b"5")]
            at_ms = alert.effect_ms + 1_300
            record = Record(0, at_ms, b"a", encode_alert(alert), headers)
            self.found.append((TopicPartition("order-alerts", 0), record))
        return self

    def story(self, until_s: float = 3_600) -> Story:
        until_ms = T0 + int(until_s * 1_000)
        return story_of("a", self.evidence(), View(TOPICS, POLICY, until_ms, until_ms + 1_000))


def notes(story: Story) -> list[str]:
    return [note for step in story.steps for note in step.notes]


def test_an_open_order_says_until_when_and_by_which_rule() -> None:
    story = Log().submit(0).story(until_s=10)

    assert story.ending.kind == "open"
    assert "the deadline is 2026-01-01T00:00:30.000Z, in 19.000 s" in story.happened
    assert notes(story) == [
        "opens attempt 1",
        "deadline: submitted_at 2026-01-01T00:00:00.000Z + 30 s (rule default, critical) = "
        "2026-01-01T00:00:30.000Z",
    ]


def test_an_own_deadline_is_said_to_be_its_own() -> None:
    story = Log().submit(0, return_within_ms=5_000).story(until_s=1)

    assert "+ 5 s (its own return_within_ms, within the bounds of rule default" in notes(story)[1]


def test_a_time_out_that_nobody_told_is_remarked_on() -> None:
    story = Log().submit(0).story()

    assert story.ending.kind == "timed_out"
    assert [alert["type"] for alert in story.untold] == ["timed_out"]
    assert "Its timed_out stands in no alert that was read" in story.happened


def test_an_order_stays_timed_out_when_the_worker_has_forgotten_it() -> None:
    story = Log().submit(0).tell_all(3_600).story(until_s=100_000)

    assert (story.ending.kind, story.untold, story.unexplained) == ("timed_out", (), ())


def test_attempts_are_told_each_with_what_it_did_to_the_one_before() -> None:
    log = Log().submit(0).submit(5, attempt=2).submit(6, attempt=2).submit(40, attempt=3)
    story = log.answer(41, attempt=2).answer(42).answer(43).tell_all(50).story(until_s=50)

    said = [step.notes[0] for step in story.steps if step.evidence is not None]
    assert said[:3] == [
        "opens attempt 1",
        "opens attempt 2 in place of attempt 1, which was still open",
        "this attempt is known already, so it changes nothing",
    ]
    assert said[4:7] == [
        "opens attempt 3, after attempt 2 timed out",
        "answers attempt 2, an earlier one: only counted",
        "closes attempt 3 as accepted, 28.000 s before its deadline",
    ]
    assert "accepted once more, so it changes nothing" in said
    assert story.happened == (
        "Late: attempt 2 timed out at 2026-01-01T00:00:35.000Z, and attempt 3 came back accepted "
        "7.000 s after that."
    )


def test_a_held_return_is_held_then_answers() -> None:
    held = Log().answer(0).story(until_s=10)
    answered = Log().answer(0).submit(1).story(until_s=10)

    assert held.ending.kind == "held"
    assert notes(held) == [
        f"no submission is known: it is held for one until {rfc3339(T0 + 60_000)}"
    ]
    assert answered.ending.kind == "answered"
    assert notes(answered)[1] == "answered at once by the return held for it: accepted"


def test_an_alert_that_the_records_do_not_give_is_unexplained() -> None:
    told = Log().submit(0).tell_all(100)
    forged = Log().submit(0).answer(1)
    forged.found.append(told.found[-1])

    story = forged.story()

    assert story.ending.kind == "answered"
    assert [alert["type"] for alert in story.unexplained] == ["timed_out"]
    assert "Told besides: timed_out" in story.happened


def test_an_alert_written_twice_is_said_to_be() -> None:
    log = Log().submit(0).tell_all(100)
    log.found.append(log.found[-1])

    assert notes(log.story()).count("this alert was written more than once") == 2


def test_records_of_other_ids_are_left_out() -> None:
    log = Log().submit(0)
    log.found.append((TopicPartition("order-submitted", 0), Record(9, T0, b"b", b"{}", [])))

    assert len(log.story(until_s=1).steps) == 1


def test_interim_returns_only_came() -> None:
    story = Log().answer(0, "pending").answer(1, "error").story()

    assert story.happened == "Never submitted: nothing but pending, error came."


def test_parted_records_are_judged_alone() -> None:
    story = Log().submit(0).answer(1, partition=3).story()

    assert story.ending.kind == "parted"
    assert "in partition 0: timed out: no final return" in story.happened
    assert "in partition 3: unmatched: accepted came" in story.happened


def test_only_alerts_that_are_left_are_said_to_be_left() -> None:
    log = Log().submit(0).tell_all(100)
    del log.found[0]

    assert log.story().ending.kind == "told_only"


def test_nothing_is_unknown() -> None:
    assert Log().story().ending.kind == "unknown"


def test_a_story_as_a_document_is_json_with_bytes_that_are_no_text_escaped() -> None:
    log = Log().submit(0)
    log.found.append((TopicPartition("order-returned", 0), Record(9, T0 + 1, b"a", b"\xff", [])))

    document = json.loads(json.dumps(story_document(log.story())))

    roles = [step["role"] for step in document["steps"]]
    assert roles == ["submitted", "returned", "timer"]
    assert document["steps"][1]["raw"]["value"] == "\\xff"
    assert document["steps"][1]["parsed"]["problems"][0]["field"] == "value"
    assert document["steps"][0]["role"] == Role.SUBMITTED
