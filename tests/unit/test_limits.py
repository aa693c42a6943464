"""Limits of the rules: crossed once, cleared once, and the same whatever the interleaving."""

from itertools import permutations
from typing import Any

import pytest

from schemas.limits import LimitCrossed, encode_limit, limit_headers, read_limit
from schemas.stats import Heartbeat, Stats, StatsRecord, StatsRow, StatsSecond
from streams.core.limits import CLEAR_S, SCOPES_MAX, Limit, Limits

START_S = 1_800_000_000
OPEN = Limit("slow-acme", "open_orders_max", "provider", "acme", 100)
OVERDUE = Limit("slow-acme", "overdue_orders_max", "provider", "acme", 10)
RATE = Limit("bakery", "submissions_per_s_max", "merchant", "bakery", 50)


def beat(partition: int, at_s: int, partitions: int = 1) -> Heartbeat:
    at_s += START_S
    return Heartbeat(partition, partitions, at_s * 1_000, at_s, at_s * 1_000)


def rows(partition: int, at_s: int, *of: StatsRow) -> Stats:
    second_s = START_S + at_s
    return Stats(partition, second_s + 1, [StatsSecond(second_s, list(of))])


def acme(**counts: Any) -> StatsRow:
    return StatsRow(**{"provider": "acme", "merchant": "bakery", "kind": "card", **counts})


def take_all(limits: Limits, records: list[StatsRecord]) -> list[LimitCrossed]:
    return [crossed for record in records for crossed in limits.take(record)]


def told(crossings: list[LimitCrossed]) -> list[tuple[str, str, int]]:
    return [(it.state, it.limit, it.value) for it in crossings]


def test_open_orders_of_all_scopes_of_a_provider_together_cross_its_limit_once() -> None:
    limits = Limits([OPEN])

    crossed = take_all(
        limits,
        [
            beat(0, 0),
            rows(0, 1, acme(open_orders=60)),
            rows(0, 2, acme(open_orders=60, kind="wallet")),
            rows(0, 3, acme(open_orders=90)),
            beat(0, 30),
        ],
    )

    assert told(crossed) == [("exceeded", "open_orders_max", 120)]
    (first,) = crossed
    assert (first.scope.provider, first.scope.merchant, first.max) == ("acme", None, 100)
    assert first.rule == "slow-acme"
    assert "stop taking orders for provider acme" in first.advice


def test_it_is_cleared_only_after_it_was_well_below_for_a_while_and_then_once() -> None:
    limits = Limits([OVERDUE])
    records: list[StatsRecord] = [beat(0, 0), rows(0, 1, acme(overdue_orders=11))]
    records += [rows(0, at, acme(overdue_orders=9 + at % 2)) for at in range(2, 20)]
    records += [rows(0, 20, acme(overdue_orders=9)), beat(0, 60)]

    crossed = take_all(limits, records)

    assert told(crossed) == [
        ("exceeded", "overdue_orders_max", 11),
        ("cleared", "overdue_orders_max", 9),
    ]
    assert crossed[0].limit_id == crossed[1].limit_id
    assert crossed[1].since == crossed[0].since
    assert crossed[1].told_at > crossed[0].told_at


def test_a_rate_is_of_one_second_and_seconds_without_a_row_have_none() -> None:
    limits = Limits([RATE])

    crossed = take_all(
        limits, [beat(0, 0), rows(0, 1, acme(submitted=51)), beat(0, 1 + CLEAR_S), beat(0, 99)]
    )

    assert told(crossed) == [
        ("exceeded", "submissions_per_s_max", 51),
        ("cleared", "submissions_per_s_max", 0),
    ]


def test_partitions_add_up_whatever_the_interleaving_of_their_records() -> None:
    first: list[StatsRecord] = [beat(0, 0, 2), rows(0, 2, acme(open_orders=70)), beat(0, 40, 2)]
    second: list[StatsRecord] = [beat(1, 0, 2), rows(1, 3, acme(open_orders=70)), beat(1, 40, 2)]
    rows_of = {0: first, 1: second}

    found = set()
    for order in set(permutations([0, 0, 0, 1, 1, 1])):
        queues = {partition: iter(records) for partition, records in rows_of.items()}
        crossed = take_all(Limits([OPEN]), [next(queues[partition]) for partition in order])
        found.add(tuple(encode_limit(each) for each in crossed))

    ((only,),) = found
    assert read_limit(only).value == 140


@pytest.mark.parametrize("cut", range(5))
def test_what_is_restored_goes_on_as_if_nothing_had_happened(cut: int) -> None:
    records: list[StatsRecord] = [
        beat(0, 0),
        rows(0, 1, acme(open_orders=101, submitted=60)),
        rows(0, 2, acme(open_orders=80)),
        rows(0, 9, acme(open_orders=70)),
        beat(0, 30),
    ]
    whole = take_all(Limits([OPEN, RATE]), records)

    limits = Limits([OPEN, RATE])
    before = take_all(limits, records[:cut])
    again = Limits.from_bytes(limits.to_bytes(), [OPEN, RATE])

    assert before + take_all(again, records[cut:]) == whole
    assert len(whole) == 4


def test_a_limit_that_the_rules_have_no_more_is_cleared() -> None:
    limits = Limits([OPEN])
    take_all(limits, [beat(0, 0), rows(0, 1, acme(open_orders=101)), beat(0, 2)])

    again = Limits.from_bytes(limits.to_bytes(), [])

    assert told(again.take(beat(0, 3))) == [("cleared", "open_orders_max", 0)]


def test_a_state_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="not a state of limits"):
        Limits.from_bytes(b"[]", [])


def test_scopes_that_are_kept_are_limited() -> None:
    limits = Limits([OPEN])
    many = [acme(open_orders=1, kind=str(number)) for number in range(SCOPES_MAX + 5)]

    crossed = take_all(limits, [beat(0, 0), rows(0, 1, *many), beat(0, 2)])

    assert told(crossed) == [("exceeded", "open_orders_max", SCOPES_MAX)]


def test_headers_say_what_it_is_as_a_cloud_event() -> None:
    limits = Limits([OPEN])
    (crossed,) = take_all(limits, [beat(0, 0), rows(0, 1, acme(open_orders=101)), beat(0, 2)])

    headers = dict(limit_headers(crossed, "/returnwatch/app"))

    assert headers["ce_type"] == b"returnwatch.limit.exceeded.v1"
    assert headers["ce_subject"].decode() == crossed.limit_id
    assert headers["ce_time"].decode() == crossed.told_at
