"""What holds verdicts back, and what lets them go again."""

from collections.abc import Iterable
from typing import Final

import pytest
from structlog.testing import capture_logs

from schemas.records import RETURNED, SUBMITTED, Record
from streams.guards import Holds, PartitionerGuard, TopicGuard
from streams.partitioners import Finding, partition_by
from streams.state.header import StateError
from streams.topics import Shape
from streams.transport.batches import Batch
from streams.transport.log_bounds import BrokerUnavailable

PARTITIONS: Final = 4
INPUTS: Final = ("order-submitted", "order-returned")
KEYS: Final = [f"order-{number}".encode() for number in range(120)]


def guard_for(holds: Holds, *, partitions: int = PARTITIONS, accept: bool = False):
    return PartitionerGuard(partitions, holds, is_accepted=accept)


def show(guard: PartitionerGuard, side: int, by: str, keys: Iterable[bytes] = KEYS) -> None:
    """Have the guard look at these keys as a producer with that hash spreads them."""
    for partition in range(PARTITIONS):
        there = [key for key in keys if partition_by(by, key, PARTITIONS) == partition]
        records = [Record(at, 0, key, b"", ()) for at, key in enumerate(there)]
        guard.look(side, Batch(INPUTS[side], partition, 0, len(records), records, 1))


def test_without_a_reason_verdicts_are_given() -> None:
    holds = Holds()

    assert not holds
    assert (holds.reasons(), holds.sentences()) == ([], [])


def test_verdicts_are_held_until_the_last_reason_is_lifted() -> None:
    holds = Holds()
    holds.put("partitioner", "They differ.")
    holds.put("partition_count", "There are 4.")
    holds.put("partition_count", "There are 5.")

    both = (holds.reasons(), holds.sentences())
    holds.lift("partitioner")
    still = bool(holds)
    holds.lift("partition_count")
    holds.lift("partition_count")

    assert both == (["partitioner", "partition_count"], ["They differ.", "There are 5."])
    assert still
    assert not holds


def test_a_reason_is_logged_once_however_its_sentence_changes() -> None:
    holds = Holds()

    with capture_logs() as lines:
        for count in (4, 5, 6):
            holds.put("partition_count", f"There are {count}.")
        holds.lift("partition_count")

    said = [(line["event"], line.get("why")) for line in lines]
    assert said == [("verdicts are held", "There are 4."), ("verdicts are no longer held", None)]


@pytest.mark.parametrize("by", ["murmur2", "crc32"])
def test_inputs_of_the_same_hash_are_proven_and_their_alerts_unmarked(by: str) -> None:
    holds = Holds()
    guard = guard_for(holds)

    for side in (SUBMITTED, RETURNED):
        show(guard, side, by)

    assert (guard.finding, guard.marks()) == (Finding.SAME, ())
    assert not holds


def test_inputs_of_different_hashes_hold_all_verdicts_with_a_sentence_that_says_what_to_do() -> (
    None
):
    holds = Holds()
    guard = guard_for(holds)

    show(guard, SUBMITTED, "murmur2")
    show(guard, RETURNED, "crc32")

    assert holds.reasons() == ["partitioner"]
    (sentence,) = holds.sentences()
    assert "submitted: 120 of 120 keys fit murmur2" in sentence
    assert "120 of 120 keys fit crc32. Set the same partitioner" in sentence
    assert "RETURNWATCH_ACCEPT_PARTITIONERS=true" in sentence


def test_until_enough_keys_are_seen_alerts_say_that_it_is_unproven() -> None:
    holds = Holds()
    guard = guard_for(holds)

    show(guard, SUBMITTED, "murmur2")
    show(guard, RETURNED, "crc32", KEYS[:10])

    assert guard.finding is Finding.UNPROVEN
    assert guard.marks() == (("returnwatch-partitioner", b"unproven"),)
    assert not holds


def test_with_one_partition_alerts_are_proven_from_the_first() -> None:
    guard = guard_for(Holds(), partitions=1)

    assert (guard.finding, guard.marks()) == (Finding.SAME, ())


def test_with_the_consent_different_hashes_hold_nothing() -> None:
    holds = Holds()
    guard = guard_for(holds, accept=True)

    show(guard, SUBMITTED, "murmur2")
    show(guard, RETURNED, "crc32")

    assert not holds
    assert guard.marks() == ()


def test_inputs_of_a_hash_of_their_own_stay_unproven_and_are_not_held() -> None:
    holds = Holds()
    guard = guard_for(holds)

    for side in (SUBMITTED, RETURNED):
        for number, key in enumerate(KEYS):
            batch = Batch(INPUTS[side], number % PARTITIONS, 0, 1, [Record(0, 0, key, b"", ())], 1)
            guard.look(side, batch)

    assert guard.finding is Finding.UNPROVEN
    assert not holds


BEGAN: Final = {"order-submitted": Shape(4, "id-s"), "order-returned": Shape(4, "id-r")}
WIDER: Final = BEGAN | {"order-submitted": Shape(8, "id-s")}


def test_changed_partition_counts_hold_verdicts_until_they_are_as_before() -> None:
    holds = Holds()
    guard = TopicGuard(BEGAN, holds)

    guard.compare(BEGAN)
    at_first = bool(holds)
    guard.compare(WIDER)
    (sentence,) = holds.sentences()
    guard.compare(BEGAN)

    assert not at_first
    assert "made with 4 partitions, now order-submitted has 8: keys hash" in sentence
    assert not holds


def test_an_input_that_is_gone_holds_verdicts() -> None:
    holds = Holds()

    TopicGuard(BEGAN, holds).compare({"order-submitted": BEGAN["order-submitted"]})

    assert "order-returned has 0" in holds.sentences()[0]


def test_an_input_with_another_id_was_made_anew() -> None:
    with pytest.raises(StateError, match="order-returned was deleted and made anew"):
        TopicGuard(BEGAN, Holds()).compare(BEGAN | {"order-returned": Shape(4, "other")})


@pytest.mark.parametrize("before, now", [(None, "id"), ("id", None), (None, None)])
def test_where_a_broker_tells_no_ids_nothing_is_said_of_them(
    before: str | None, now: str | None
) -> None:
    holds = Holds()

    TopicGuard({"order-returned": Shape(4, before)}, holds).compare(
        {"order-returned": Shape(4, now)}
    )

    assert not holds


async def test_a_broker_that_does_not_describe_the_topics_changes_nothing_and_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    holds = Holds()
    monkeypatch.setattr("streams.guards.TOPICS_LOOK_S", 0)
    told = Described([WIDER, None, None, WIDER])

    guard = TopicGuard(BEGAN, holds)

    silences = []
    for _ in range(2):
        with pytest.raises(BrokerUnavailable, match="silent"):
            await guard.run(told)
        silences.append(guard.silence.s)
    with pytest.raises(Told):
        await guard.run(told)

    assert holds.reasons() == ["partition_count"]
    assert 0 < silences[0] < silences[1]
    assert guard.silence.s == 0


class Told(Exception):
    """There is nothing more to tell."""


class Described:
    """A broker that gives these answers, None for silence."""

    def __init__(self, answers: list[dict[str, Shape] | None]) -> None:
        self._answers = answers

    async def shapes(self, names: Iterable[str]) -> dict[str, Shape]:
        assert tuple(names) == INPUTS
        if not self._answers:
            raise Told
        answer = self._answers.pop(0)
        if answer is None:
            raise BrokerUnavailable("silent")
        return answer
