"""Incidents from simulated seconds: the same however records are cut, and what they say."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import pytest

from schemas.incidents import Incident, Scope, encode_incident, read_incident
from schemas.stats import Heartbeat, Stats, StatsRecord
from streams.code_classes import code_classes
from streams.core.incidents.codes import CodeClasses
from streams.core.incidents.desk import Desk
from streams.core.incidents.explanation import explain
from streams.core.incidents.silences import Silence
from streams.demo.histories import START_MS, random_history
from streams.demo.misfortunes import Fault
from streams.demo.simulator import History, Party
from tests.bench.shortcut import told

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


def broken(*faults: Fault) -> History:
    return replace(HISTORY, faults=faults)


def record_stream(history: History, every_s: int = 5) -> Iterable[StatsRecord]:
    for written in told(history, every_s):
        yield from written.records
        now_ms = written.now_ms
        yield Heartbeat(0, 1, now_ms - 1_000, written.complete_s, now_ms)


def incidents_of(desk: Desk, records: Iterable[StatsRecord]) -> list[Incident]:
    return [incident for record in records for incident in desk.take(record)]


DOWN: Final = broken(Fault("system_failure", PG, 120, 40))


def test_a_provider_that_stops_is_one_incident_that_is_opened_and_closed() -> None:
    found = incidents_of(Desk(code_classes()), record_stream(DOWN))

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
        incident
        for incident in incidents_of(Desk(code_classes()), record_stream(history))
        if incident.state == "closed"
    ]

    assert sorted(incident.cause for incident in opened) == ["permission", "system_failure"]


def test_a_healthy_stream_has_no_incident() -> None:
    assert incidents_of(Desk(code_classes()), record_stream(HISTORY)) == []


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_incidents_do_not_depend_on_how_seconds_are_put_into_records(seed: int) -> None:
    history = replace(random_history(seed), orders_per_s=30.0, seconds=330)
    at_once = incidents_of(Desk(code_classes()), record_stream(history, 5))

    assert incidents_of(Desk(code_classes()), record_stream(history, 15)) == at_once


def test_incidents_do_not_depend_on_how_partition_numbers_are_interleaved() -> None:
    records = [record for record in record_stream(DOWN) if isinstance(record, Stats)]
    beats = [Heartbeat(at, 2, START_MS, 0, START_MS) for at in (0, 1)]
    other = [Stats(1, record.complete_s) for record in records]
    turns = [record for pair in zip(records, other, strict=True) for record in pair]

    in_turn = incidents_of(Desk(code_classes()), [*beats, *turns])
    one_after_another = incidents_of(Desk(code_classes()), [*beats, *records, *other])

    assert in_turn
    assert one_after_another == in_turn


def test_a_restored_state_goes_on_as_if_nothing_had_happened() -> None:
    records = list(record_stream(broken(Fault("network", PG, 120, 40))))
    expected = incidents_of(Desk(code_classes()), records)

    desk = Desk(code_classes())
    found: list[Incident] = []
    for record in records:
        found += desk.take(record)
        desk = Desk.from_bytes(desk.to_bytes(), code_classes())

    assert found == expected
    assert expected[0].cause == "network"


def test_a_state_of_another_version_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="format version 0"):
        Desk.from_bytes(b'{"format_version":0}', code_classes())


def test_an_incident_comes_back_from_its_bytes() -> None:
    incident = incidents_of(Desk(code_classes()), record_stream(DOWN))[0]

    assert read_incident(encode_incident(incident)) == incident


def test_an_incident_in_a_silence_says_why_it_is_silenced() -> None:
    desk = Desk(code_classes())
    desk.silence([Silence(PG, START_MS, START_MS + 3_600_000, "new release")])

    found = incidents_of(desk, record_stream(DOWN))

    assert {incident.silenced for incident in found} == {"new release"}


def test_an_order_is_explained_by_the_incident_that_covers_it() -> None:
    incident = incidents_of(Desk(code_classes()), record_stream(DOWN))[-1]
    alert = {"deadline": incident.since, "provider": "pg", "merchant": "shop", "kind": "card"}

    assert explain(alert, [incident]) == incident
    assert explain({**alert, "provider": "acme"}, [incident]) is None


def test_a_partition_that_sends_no_heartbeat_is_a_finding_about_the_monitor() -> None:
    desk = Desk(code_classes())
    beats = [
        Heartbeat(partition, 2, second * 1000, second, second * 1000 + 500)
        for second in range(0, 100, 5)
        for partition in (0, 1)
        if partition == 0 or not 20 < second < 60
    ]

    found = incidents_of(desk, beats)

    assert [(incident.state, incident.cause) for incident in found] == [
        ("opened", "monitor"),
        ("closed", "monitor"),
    ]
    assert found[0].scope == Scope()


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
