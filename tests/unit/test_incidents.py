"""Incidents from simulated seconds: the same however records are cut, and what they say."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import msgspec
import pytest

from schemas.incidents import Cause, Incident, Scope, encode_incident, read_incident
from schemas.stats import Heartbeat, StatsRecord
from schemas.times import rfc3339
from streams.code_classes import code_classes
from streams.commands.why import TOLD_WITHIN_MS, too_early
from streams.core.incidents.codes import CodeClasses
from streams.core.incidents.desk import Desk
from streams.core.incidents.explanation import explain
from streams.core.incidents.rollcall import Rollcall
from streams.core.incidents.silences import Silence
from streams.demo.histories import START_MS, random_history
from streams.demo.misfortunes import Fault
from streams.demo.simulator import History, Party
from tests.bench.shortcut import Watcher, told

Stream = Iterable[tuple[StatsRecord, int]]  # A record, and its time in the log.

PG: Final = Scope("pg", None, None)
HISTORY: Final = History(
    seed=7,
    start_ms=START_MS,
    seconds=300,
    orders_per_s=20.0,
    providers=(Party("pg", 1, 300), Party("acme", 1, 200)),
    merchants=(Party("shop", 1), Party("club", 1)),
    kinds=(Party("card", 1), Party("wallet", 1)),
)


def replaced(record: StatsRecord, **fields: int) -> StatsRecord:
    there = {name: it for name, it in fields.items() if name in record.__struct_fields__}
    return msgspec.structs.replace(record, **there)


def incidents_of_all(stream: Stream) -> list[Incident]:
    """Without a word about where logs end, in case partition numbers are read one by one."""
    rollcall, desk = Rollcall(), Desk(code_classes())
    called = [it for record, at_ms in stream for it in rollcall.take(record, at_ms)]
    return [incident for it in called for incident in desk.take(it)]


def broken(*faults: Fault) -> History:
    return replace(HISTORY, faults=faults)


def record_stream(history: History, every_s: int = 5) -> Stream:
    for written in told(history, every_s):
        now_ms = written.now_ms
        yield from ((record, now_ms) for record in written.records)
        yield Heartbeat(0, 1, now_ms - 1_000, written.complete_s, now_ms), now_ms


def incidents_of(stream: Stream) -> list[Incident]:
    watcher = Watcher()
    return [incident for record, at_ms in stream for incident in watcher.take(record, at_ms)]


DOWN: Final = broken(Fault("system_failure", PG, 120, 40))


def test_a_provider_that_stops_is_one_incident_that_is_opened_and_closed() -> None:
    found = incidents_of(record_stream(DOWN))

    first, last = found[0], found[-1]
    assert {incident.incident_id for incident in found} == {first.incident_id}
    assert (first.state, first.cause, first.scope) == ("opened", "system_failure", PG)
    assert last.state == "closed"
    assert last.until is not None
    assert last.orders_timed_out > 300
    assert len(last.order_ids) == 5
    assert {money.currency for money in last.money_at_risk} == {"EUR", "GBP", "SEK"}
    assert first.causes[0].evidence[0].startswith("0 returns from provider pg for ")
    assert first.runbook == "docs/causes/system_failure.md"
    assert [incident.revision for incident in found] == list(range(1, len(found) + 1))


def test_two_faults_at_once_are_two_incidents() -> None:
    club = Scope("acme", "club", None)
    history = broken(Fault("system_failure", PG, 120, 40), Fault("permission", club, 125, 40))

    opened = [
        incident for incident in incidents_of(record_stream(history)) if incident.state == "closed"
    ]

    assert sorted(incident.cause for incident in opened) == ["permission", "system_failure"]


WAYS: Final = ("system_failure", "network", "permission", "integration", "data_error")


@pytest.mark.parametrize("later_s", [0, 5])
@pytest.mark.parametrize(
    "first, second", [(first, second) for first in WAYS for second in WAYS if first != second]
)
def test_all_providers_failing_at_once_in_different_ways_are_as_many_incidents(
    first: Cause, second: Cause, later_s: int
) -> None:
    other = Scope("acme", None, None)
    history = broken(Fault(first, PG, 120, 40), Fault(second, other, 120 + later_s, 40))

    last = {incident.incident_id: incident for incident in incidents_of(record_stream(history))}

    found = {incident.scope: incident.cause for incident in last.values()}
    assert (len(last), found) == (2, {PG: first, other: second})


def test_a_healthy_stream_has_no_incident() -> None:
    assert incidents_of(record_stream(HISTORY)) == []


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_incidents_do_not_depend_on_how_seconds_are_put_into_records(seed: int) -> None:
    history = replace(random_history(seed), orders_per_s=30.0, seconds=330)
    at_once = incidents_of(record_stream(history, 5))

    assert incidents_of(record_stream(history, 15)) == at_once


def test_incidents_do_not_depend_on_how_partition_numbers_are_interleaved() -> None:
    stream = list(record_stream(DOWN))
    first = [(replaced(record, partition=0, partitions=2), at_ms) for record, at_ms in stream]
    other = [
        (Heartbeat(1, 2, record.frontier_ms, record.complete_s, record.sent_at_ms), at_ms)
        for record, at_ms in stream
        if isinstance(record, Heartbeat)
    ]

    in_turn = incidents_of_all(sorted([*first, *other], key=lambda it: it[1]))

    assert in_turn
    assert incidents_of_all([*first, *other]) == in_turn
    assert incidents_of_all([*other, *first]) == in_turn


def test_a_restored_state_goes_on_as_if_nothing_had_happened() -> None:
    stream = list(record_stream(broken(Fault("network", PG, 120, 40))))
    expected = incidents_of(stream)

    watcher = Watcher()
    found: list[Incident] = []
    for record, at_ms in stream:
        found += watcher.take(record, at_ms)
        watcher.desk = Desk.from_bytes(watcher.desk.to_bytes(), code_classes())
        kept = json.loads(json.dumps(watcher.rollcall.state()))
        watcher.rollcall = Rollcall.restored(kept)

    assert found == expected
    assert expected[0].cause == "network"


def test_a_state_of_another_version_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="format version 0"):
        Desk.from_bytes(b'{"format_version":0}', code_classes())


def test_an_incident_comes_back_from_its_bytes() -> None:
    incident = incidents_of(record_stream(DOWN))[0]

    assert read_incident(encode_incident(incident)) == incident


def test_an_incident_in_a_silence_says_why_it_is_silenced() -> None:
    watcher = Watcher()
    watcher.desk.silence([Silence(PG, START_MS, START_MS + 3_600_000, "new release")])

    found = [it for record, at_ms in record_stream(DOWN) for it in watcher.take(record, at_ms)]

    assert {incident.silenced for incident in found} == {"new release"}


def test_an_order_is_explained_by_the_incident_that_covers_it() -> None:
    incident = incidents_of(record_stream(DOWN))[-1]
    alert = {"deadline": incident.since, "provider": "pg", "merchant": "shop", "kind": "card"}

    assert explain(alert, [incident]) == incident
    assert explain({**alert, "provider": "acme"}, [incident]) is None


def test_an_order_that_timed_out_just_now_may_have_an_incident_that_is_not_told_yet() -> None:
    alert = {"deadline": rfc3339(START_MS)}

    assert too_early(alert, START_MS + TOLD_WITHIN_MS - 1)
    assert not too_early(alert, START_MS + TOLD_WITHIN_MS)


def test_a_code_belongs_to_the_class_of_its_pattern() -> None:
    codes = code_classes()

    assert codes.class_of("403") == "permission"
    assert codes.class_of("Access_Denied") == "permission"
    assert codes.class_of("CONNECTION_RESET") == "network"
    assert codes.class_of("invalid_amount") == "data"
    assert codes.class_of("51") is None


@pytest.mark.parametrize(
    "table, says",
    [({"nonsense": []}, "codes.nonsense is unknown"), ({"data": "400"}, "codes.data must be")],
)
def test_a_wrong_table_of_codes_is_refused_in_a_sentence(table: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        CodeClasses.of(table)
