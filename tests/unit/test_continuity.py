"""Whether a log goes on where the state left it: what is refused, and what a gap leads to."""

from dataclasses import replace
from typing import Final

import pytest
from aiokafka import TopicPartition

from schemas.records import Record
from streams.continuity import Continuity, Log
from streams.state.header import Header, Progress, StateError, fingerprint, first_header

NOW_MS: Final = 1_767_225_700_000
WORKED_MS: Final = 1_767_225_600_000
SUBMITTED_TP: Final = TopicPartition("order-submitted", 3)
RETURNED_TP: Final = TopicPartition("order-returned", 3)
RECORDS: Final = {offset: Record(offset, WORKED_MS + offset, b"k", b"v", ()) for offset in (9, 15)}
START: Final = Progress(10, WORKED_MS, fingerprint(RECORDS[9]), "id-s")
HEADER: Final = first_header(
    (START, replace(START, topic_id="id-r")), partitions=4, policy_digest="d"
)
SUBMITTED_LOG: Final = Log(SUBMITTED_TP, 0, 20, "id-s")
RETURNED_LOG: Final = Log(RETURNED_TP, 0, 20, "id-r")


async def record_from(tp: TopicPartition, offset: int) -> Record | None:
    return next((RECORDS[at] for at in sorted(RECORDS) if at >= offset), None)


async def check(
    submitted: Log = SUBMITTED_LOG,
    returned: Log = RETURNED_LOG,
    *,
    header: Header = HEADER,
    accept: bool = False,
) -> tuple[Header, int]:
    continuity = Continuity(record_from, lambda: NOW_MS, is_gap_accepted=accept)
    found, gaps = await continuity.check(header, (submitted, returned))
    return found, len(gaps)


async def test_a_log_that_goes_on_changes_nothing() -> None:
    assert await check() == (HEADER, 0)


async def test_an_id_that_was_not_known_is_taken_in() -> None:
    unknown = replace(HEADER, submitted=replace(HEADER.submitted, topic_id=None))

    header, _ = await check(header=unknown)
    kept, _ = await check(replace(SUBMITTED_LOG, topic_id=None))

    assert header.submitted.topic_id == "id-s"
    assert kept.submitted.topic_id == "id-s"


@pytest.mark.parametrize(
    "submitted, told",
    [
        (replace(SUBMITTED_LOG, topic_id="new"), "order-submitted was deleted and made anew"),
        (replace(SUBMITTED_LOG, end=9), "partition 3 ends at offset 9, but the state has worked"),
        (replace(SUBMITTED_LOG, start=12), r"offsets 10 to 11 \(2, after 2026-01-01T00:00:00.000Z"),
        (replace(SUBMITTED_LOG, start=12), "returnwatch worker --accept-gap"),
    ],
    ids=["another id", "a shorter log", "a gap", "a gap, and what to type"],
)
async def test_a_log_that_does_not_is_refused_with_what_to_do(submitted: Log, told: str) -> None:
    with pytest.raises(StateError, match=told):
        await check(submitted)


async def test_another_record_where_the_last_one_stood_is_another_log() -> None:
    other = Progress(10, WORKED_MS, replace(fingerprint(RECORDS[9]), checksum=1), "id-s")

    with pytest.raises(StateError, match="holds another record at offset 9"):
        await check(header=replace(HEADER, submitted=other))


async def test_a_gap_of_returns_ends_where_the_log_begins_and_has_no_cut() -> None:
    header, gaps = await check(returned=replace(RETURNED_LOG, start=12), accept=True)

    assert gaps == 1
    assert (header.returned.next_offset, header.returned.last) == (12, None)
    assert header.gap_until_ms == RECORDS[15].timestamp_ms + 1
    assert (header.entered_inside, header.cut_ms) == (True, None)
    assert header.submitted == HEADER.submitted


async def test_a_gap_of_submissions_is_an_entry_inside_the_log_too() -> None:
    header, gaps = await check(replace(SUBMITTED_LOG, start=12), accept=True)

    assert gaps == 1
    assert header.gap_until_ms == header.cut_ms == RECORDS[15].timestamp_ms + 1


async def test_where_nothing_is_left_the_gap_ends_now() -> None:
    header, gaps = await check(returned=replace(RETURNED_LOG, start=20), accept=True)

    assert gaps == 1
    assert header.gap_until_ms == NOW_MS + 1


async def test_gaps_on_both_sides_end_with_the_later_one() -> None:
    header, gaps = await check(
        replace(SUBMITTED_LOG, start=12), replace(RETURNED_LOG, start=20), accept=True
    )

    assert gaps == 2
    assert header.gap_until_ms == NOW_MS + 1
    assert header.cut_ms == RECORDS[15].timestamp_ms + 1
