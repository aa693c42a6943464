"""What the AsyncAPI document and the schemas say of counts, incidents, limits and silences."""

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from schemas.incidents import Incident, Scope, encode_incident, incident_headers
from schemas.jsonschema import FOLDER
from schemas.limits import LimitCrossed, LimitedScope, encode_limit, limit_headers
from schemas.silences import SilenceEnded, SilenceRecord, digest_headers, encode_silence
from schemas.stats import (
    DeadLetters,
    Heartbeat,
    Money,
    Stats,
    StatsRow,
    StatsSecond,
    encode_stats,
)
from streams.asyncapi import document
from streams.asyncapi_incidents import CHANNELS, MESSAGES
from streams.settings import Settings
from tests.unit.test_asyncapi import DOCUMENT, VALIDATOR, followed, validator
from tests.unit.test_digests import T, incident

AT = "2026-01-01T00:00:00.000Z"
SILENCE = SilenceRecord("s-1", Scope("pg"), AT, AT, "firewall", AT)
DIGEST = SilenceEnded("s-1", "ended", Scope("pg"), AT, AT, "firewall", 3, 1, (), ())
ROW = StatsRow(
    "pg",
    "bakery",
    submitted=3,
    codes={"51": 1},
    delays={7: 1},
    dead_letters=(DeadLetters(1, "outcome", "unknown", 1),),
    money=[Money("EUR", timed_out_minor=5)],
    timed_out_ids=("A-1",),
)
Told = tuple[bytes, list[tuple[str, bytes]]]


def limit(state: Any) -> Told:
    crossed = LimitCrossed(
        "l-1", state, "open_orders_max", 50, 60, LimitedScope("pg", None), "pg", AT, AT, "stop"
    )
    return encode_limit(crossed), limit_headers(crossed, "/returnwatch/x")


def of_incident(state: Any) -> Told:
    told: Incident = incident(state=state)
    return encode_incident(told), incident_headers(told, "/returnwatch/x")


TOLD: dict[str, Told] = {
    "stats": (encode_stats(Stats(0, T // 1000, [StatsSecond(T // 1000, [ROW])])), []),
    "heartbeat": (encode_stats(Heartbeat(0, 2, T, T // 1000, T)), []),
    "incidentOpened": of_incident("opened"),
    "incidentUpdated": of_incident("updated"),
    "incidentClosed": of_incident("closed"),
    "limitExceeded": limit("exceeded"),
    "limitCleared": limit("cleared"),
    "silenceEnded": (encode_silence(DIGEST), digest_headers(DIGEST, "/returnwatch/x")),
    "silence": (encode_silence(SILENCE), []),
}


def schema_of(topic: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((FOLDER / f"{topic}.json").read_bytes()))


def test_every_message_is_tried_and_stands_on_one_channel() -> None:
    on_channels = [name for _, names, _ in CHANNELS.values() for name in names]

    assert sorted(TOLD) == sorted(MESSAGES) == sorted(on_channels)


@pytest.mark.parametrize("name", TOLD)
def test_a_record_is_what_the_document_says_value_and_headers(name: str) -> None:
    value, headers = TOLD[name]
    message = DOCUMENT["components"]["messages"][name]
    told = {header: text.decode() for header, text in headers}

    assert list(validator(message["payload"]).iter_errors(json.loads(value))) == []
    if told:
        assert list(validator(message["headers"]).iter_errors(told)) == []
        assert told.keys() == set(message["headers"]["required"])
        assert told["ce_type"] == message["name"]


@pytest.mark.parametrize(
    "name, topic",
    [(name, topic) for topic, (_, names, _) in CHANNELS.items() for name in names],
)
def test_a_record_fits_the_schema_of_its_topic_and_a_spoiled_one_does_not(
    name: str, topic: str
) -> None:
    file = {
        "orderStats": "order-stats",
        "orderIncidents": "order-incidents",
        "orderSilences": "order-silences",
    }[topic]
    value = json.loads(TOLD[name][0])

    assert schema_of(file).is_valid(value)
    for field in ("partition", "since"):
        if field in value:
            assert not schema_of(file).is_valid(value | {field: []})


def test_every_field_of_an_incident_is_required() -> None:
    parts = json.loads((FOLDER / "order-incidents.json").read_bytes())["$defs"]

    assert set(parts["Incident"]["required"]) == {
        field.name for field in msgspec.structs.fields(Incident)
    }


def test_without_counts_the_document_is_about_orders_alone() -> None:
    made = document(Settings(stats=False))

    assert list(VALIDATOR.iter_errors(made)) == []
    assert not CHANNELS.keys() & made["channels"].keys()
    assert not MESSAGES.keys() & made["components"]["messages"].keys()
    assert followed("#/channels/orderIncidents/address", DOCUMENT) == "order-incidents"
