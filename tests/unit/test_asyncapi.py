"""The AsyncAPI document: right by the official schema, and about what is really written."""

import copy
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft7Validator

from schemas.alerts import VALUE_TYPES
from schemas.deadletters import dead_letter_headers
from schemas.records import RETURNED, SUBMITTED, Record
from streams import cli
from streams.asyncapi import document, page
from streams.settings import Settings
from streams.state.changelog import State
from streams.watch import Instant, Watch
from tests.unit.charges import DUTY, START_MS, a_header
from tests.unit.schemas.test_deadletters import dead_letter

ROOT: Final = Path(__file__).parents[2]
# The package's 6.11.1; tests/vendor/asyncapi/NOTICE.md says how it was got.
OFFICIAL: Final = json.loads((ROOT / "tests/vendor/asyncapi/asyncapi-3.0.0.json").read_text())
DOCUMENT: Final = yaml.safe_load((ROOT / "asyncapi.yaml").read_text())
VALIDATOR: Final = Draft7Validator(OFFICIAL)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def followed(reference: str, of: dict[str, Any]) -> Any:
    node: Any = of
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def validator(schema: dict[str, Any]) -> Draft7Validator:
    """Of a part of the document, whose references are into the document."""
    return Draft7Validator({"allOf": [schema], "components": DOCUMENT["components"]})


def test_the_committed_file_is_what_types_and_settings_make() -> None:
    committed = (ROOT / "asyncapi.yaml").read_text()

    assert committed == page(), "run: python -m streams.asyncapi > asyncapi.yaml"


def test_it_is_right_by_the_official_schema() -> None:
    assert list(VALIDATOR.iter_errors(DOCUMENT)) == []


@pytest.mark.parametrize(
    "path, value",
    [
        (("operations", "sendAlerts", "action"), "publish"),
        (("channels", "orderAlerts", "bindings", "kafka", "partitions"), "four"),
        (("components", "messages", "timedOut", "headers"), "ce_id"),
        (("servers", "kafka-1", "host"), None),
    ],
)
def test_the_official_schema_would_find_a_mistake(path: tuple[str, ...], value: Any) -> None:
    wrong = copy.deepcopy(DOCUMENT)
    followed("/".join(path[:-1]), wrong)[path[-1]] = value

    assert not VALIDATOR.is_valid(wrong)


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    for reference in references(DOCUMENT):
        assert followed(reference, DOCUMENT), reference
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


def test_the_topics_and_brokers_are_those_of_the_settings_and_no_secret_is_told() -> None:
    settings = Settings(
        bootstrap_servers="a:9092,b:9093",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="watcher",
        sasl_password="admins-own",
        alerts_topic="told",
    )

    made = document(settings)

    assert list(VALIDATOR.iter_errors(made)) == []
    assert [server["host"] for server in made["servers"].values()] == ["a:9092", "b:9093"]
    assert made["servers"]["kafka-1"]["protocol"] == "kafka-secure"
    assert made["components"]["securitySchemes"]["login"] == {"type": "scramSha512"}
    assert made["channels"]["orderAlerts"]["address"] == "told"
    assert "admins-own" not in json.dumps(made)
    assert "watcher" not in json.dumps(made)


def test_the_command_prints_the_same_as_json_and_needs_no_yaml(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "yaml", None)

    assert cli.run(["asyncapi"]) == 0

    assert json.loads(capsys.readouterr().out) == DOCUMENT


def told() -> dict[str, Record]:
    """One alert of each type, as a worker writes it."""
    watch = Watch(DUTY, 0, a_state())
    submitted = [
        a_record(0, 0, {"order_id": "lost", "submitted_at": START_MS}),
        a_record(1, 0, {"order_id": "twice", "submitted_at": START_MS}),
    ]
    returned = [
        a_record(0, 100, {"order_id": "nobody", "returned_at": START_MS, "outcome": "accepted"}),
        a_record(1, 100, {"order_id": "twice", "returned_at": START_MS, "outcome": "accepted"}),
        a_record(2, 200, {"order_id": "twice", "returned_at": START_MS, "outcome": "rejected"}),
        a_record(3, 9_000, {"order_id": "lost", "returned_at": START_MS, "outcome": "accepted"}),
    ]
    watch.feed(SUBMITTED, (0, 2), submitted)
    watch.feed(RETURNED, (0, 4), returned)
    for side, end in ((SUBMITTED, 2), (RETURNED, 4)):
        watch.sequence.prove(side, end, START_MS + 20_000)
    watch.work(START_MS + 20_000)
    alerts = watch.page(Instant(START_MS + 20_000)).outputs[DUTY.alerts_topic]
    return {json.loads(alert.value or b"")["type"]: alert for alert in alerts}


def a_state() -> State:
    return State(header=a_header())


def a_record(offset: int, after_ms: int, fields: dict[str, Any]) -> Record:
    key, value = fields["order_id"].encode(), json.dumps(fields).encode()
    return Record(offset, START_MS + after_ms, key, value, ())


@pytest.mark.parametrize("kind", VALUE_TYPES)
def test_an_alert_is_what_the_document_says_value_and_headers(kind: str) -> None:
    alert = told()[kind]
    messages = DOCUMENT["channels"]["orderAlerts"]["messages"].values()
    described = [followed(reference, DOCUMENT) for reference in references(list(messages))]
    (message,) = [it for it in described if it["name"] == f"returnwatch.order.{kind}.v1"]
    headers = {name: value.decode() for name, value in alert.headers}

    assert list(validator(message["payload"]).iter_errors(json.loads(alert.value or b""))) == []
    assert list(validator(message["headers"]).iter_errors(headers)) == []
    assert headers.keys() <= message["headers"]["properties"].keys()


def test_a_dead_letters_headers_are_those_of_the_document() -> None:
    message = DOCUMENT["components"]["messages"]["deadLetter"]
    letter = dead_letter()
    ours = dead_letter_headers(letter)[len(letter.unreadable.record.headers) :]
    headers = {name: value.decode() for name, value in ours}

    assert list(validator(message["headers"]).iter_errors(headers)) == []
    assert message["headers"]["required"] == list(headers)
