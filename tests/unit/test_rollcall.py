"""Partition numbers that fall silent: when the others go on without them is in the log alone."""

import json
from collections.abc import Iterable
from random import Random
from typing import Final

import pytest

from schemas.incidents import Incident, Scope
from schemas.stats import HEARTBEAT_S, Heartbeat, Stats, StatsRecord, StatsRow, StatsSecond
from schemas.times import rfc3339
from streams.code_classes import code_classes
from streams.core.incidents.desk import Desk
from streams.core.incidents.feed import Feed
from streams.core.incidents.rollcall import BEATS_MISSED_MAX, ROUND_MS, Rollcall, Round
from streams.core.limits import CLEAR_S, Limit, Limits

START_S: Final = 1_800_000_000
LOST_S: Final = BEATS_MISSED_MAX * HEARTBEAT_S
Told = tuple[StatsRecord, int]


def beats(partition: int, spans: Iterable[tuple[int, int]], partitions: int = 2) -> list[Told]:
    """Each HEARTBEAT_S of the spans (seconds): one row a second since the last, and a heartbeat."""
    found: list[Told] = []
    next_s = 0
    for first, end in spans:
        for at_s in range(first, end, HEARTBEAT_S):
            complete_s, now_ms = START_S + at_s, (START_S + at_s) * 1_000 + partition
            seconds = [
                StatsSecond(START_S + second, [StatsRow(f"p{partition}", submitted=1)])
                for second in range(next_s, at_s)
            ]
            next_s = at_s
            found.append((Stats(partition, complete_s, seconds), now_ms))
            beat = Heartbeat(partition, partitions, now_ms - 1_000, complete_s, now_ms)
            found.append((beat, now_ms + 1))
    return found


def in_time(*logs: list[Told]) -> list[Told]:
    return sorted((it for log in logs for it in log), key=lambda it: it[1])


def called(stream: Iterable[Told], *, is_edge: bool) -> list[StatsRecord | Round]:
    """What a roll call makes of it; at the edge logs end with what was read so far."""
    rollcall = Rollcall()
    found: list[StatsRecord | Round] = []
    for record, at_ms in stream:
        found += rollcall.take(record, at_ms)
        if is_edge:
            for partition, number in rollcall.unheard().items():
                found += rollcall.absent(partition, number)
        if at_ms % 100_000 < 2:
            rollcall = Rollcall.restored(json.loads(json.dumps(rollcall.state())))
    return found


def worked(found: Iterable[StatsRecord | Round]) -> dict[int, set[str | None]]:
    """By second, whose rows were worked in it."""
    feed = Feed()
    seconds = [second for it in found if not isinstance(it, Round) for second in feed.take(it)]
    return {it.second_s - START_S: {row.provider for row in it.rows} for it in seconds}


def incidents(found: Iterable[StatsRecord | Round]) -> list[Incident]:
    desk = Desk(code_classes())
    return [incident for it in found for incident in desk.take(it)]


BOTH: Final = {"p0", "p1"}


def test_a_partition_that_is_silent_for_good_holds_the_others_for_two_minutes_and_no_longer() -> (
    None
):
    stream = in_time(beats(0, [(0, 400)]), beats(1, [(0, 100)]))

    seconds = worked(called(stream, is_edge=True))

    assert all(seconds[at_s] == BOTH for at_s in range(95))
    assert all(seconds[at_s] == {"p0"} for at_s in range(95, 360))
    at_s = 95 + LOST_S - 2 * HEARTBEAT_S
    early = [it for it in stream if it[1] < (START_S + at_s) * 1_000]
    assert max(worked(called(early, is_edge=True))) == 94


def test_who_misses_less_than_that_is_waited_for() -> None:
    stream = in_time(beats(0, [(0, 400)]), beats(1, [(0, 100), (100 + LOST_S - 10, 400)]))

    assert all(rows == BOTH for rows in worked(called(stream, is_edge=True)).values())


def test_what_comes_back_is_heard_again_without_the_seconds_that_went_on() -> None:
    stream = in_time(beats(0, [(0, 600)]), beats(1, [(0, 100), (350, 600)]))

    seconds = worked(called(stream, is_edge=True))

    alone = [at_s for at_s, rows in seconds.items() if rows != BOTH]
    assert alone == list(range(95, alone[-1] + 1))
    assert 330 <= alone[-1] < 350
    assert max(seconds) > 580


def test_nobody_is_left_behind_where_all_were_silent() -> None:
    stream = in_time(beats(0, [(0, 100), (1_000, 1_100)]), beats(1, [(0, 100), (1_020, 1_100)]))

    seconds = worked(called(stream, is_edge=True))

    assert all(rows == BOTH for rows in seconds.values())
    assert max(seconds) > 1_080


@pytest.mark.parametrize("seed", range(6))
def test_in_what_order_logs_are_read_changes_nothing(seed: int) -> None:
    rng = Random(seed)
    gaps = [(rng.randrange(50, 400), rng.randrange(20, 500)) for _ in range(3)]
    logs = [
        beats(it, [(0, at_s), (at_s + gap_s, 1_200)], 3) for it, (at_s, gap_s) in enumerate(gaps)
    ]
    live = called(in_time(*logs), is_edge=True)

    shuffled: list[Told] = []
    left = [list(log) for log in logs]
    while any(left):
        log = rng.choice([it for it in left if it])
        count = rng.randrange(1, 200)
        shuffled += log[:count]
        del log[:count]
    late = called(shuffled, is_edge=False)

    common = min(len(rounds(live)), len(rounds(late)))
    assert rounds(live)[:common] == rounds(late)[:common]
    assert common > 150
    mine, other = worked(live), worked(late)
    assert all(mine[at_s] == other[at_s] for at_s in mine.keys() & other.keys())
    assert len(mine.keys() & other.keys()) > 1_000
    assert monitored(late) == monitored(live)[: len(monitored(late))]


def rounds(found: Iterable[StatsRecord | Round]) -> list[Round]:
    return [it for it in found if isinstance(it, Round)]


def monitored(found: Iterable[StatsRecord | Round]) -> list[Incident]:
    return [it for it in incidents(found) if it.cause == "monitor"]


def test_who_is_never_heard_is_waited_for_no_longer() -> None:
    seconds = worked(called(beats(0, [(0, 400)]), is_edge=True))

    assert set(range(350)) <= seconds.keys()


def test_a_silent_partition_is_a_finding_about_the_monitor_that_ends_with_it() -> None:
    stream = in_time(beats(0, [(0, 300)]), beats(1, [(0, 25), (60, 300)]))

    opened, closed = monitored(called(stream, is_edge=True))

    assert (opened.state, closed.state) == ("opened", "closed")
    assert opened.scope == Scope()
    since = opened.causes[0].evidence[1]
    assert since.startswith("partition 1 is not told about since 2027-01-15T08:00:25")
    assert monitored(called(stream, is_edge=False)) == [opened, closed]


def test_all_silent_at_once_is_one_finding_when_they_are_back() -> None:
    stream = in_time(beats(0, [(0, 100), (1_000, 1_100)]), beats(1, [(0, 100), (1_010, 1_100)]))

    found = monitored(called(stream, is_edge=True))

    assert [(it.state, it.cause) for it in found] == [("opened", "monitor"), ("closed", "monitor")]


def test_limits_go_on_as_well_without_a_partition_that_is_silent_for_good() -> None:
    limits = Limits([Limit("few", "submissions_per_s_max", "provider", "p1", 0)])
    stream = in_time(beats(0, [(0, 400)]), beats(1, [(0, 100)]))

    records = [it for it in called(stream, is_edge=True) if not isinstance(it, Round)]
    crossed = [it for record in records for it in limits.take(record)]

    assert [it.state for it in crossed] == ["exceeded", "cleared"]
    assert crossed[1].told_at == rfc3339((START_S + 95 + CLEAR_S) * 1_000)


def test_rounds_are_as_long_as_heartbeats_are_apart() -> None:
    assert ROUND_MS == HEARTBEAT_S * 1_000
