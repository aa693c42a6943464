"""The AsyncAPI 3 document of a deployment: its topics, what stands on them, and in which headers.

Payloads are made from the types in schemas, topics and servers from the settings. `python -m
streams.asyncapi > asyncapi.yaml` writes the file for the defaults again; a test compares.
"""

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

from schemas.alerts import VALUE_TYPES
from schemas.jsonschema import record_schemas
from streams import asyncapi_incidents
from streams.settings import Settings
from streams.settings_values import server_list

VERSION: Final = "3.0.0"
BINDING: Final = "0.5.0"  # Of the Kafka bindings.

Document = dict[str, Any]

ALERT_HEADERS: Final = {
    "ce_specversion": "The CloudEvents version, 1.0.",
    "ce_id": "The alert's id: the same whenever it is made again. Deduplicate by it.",
    "ce_source": "/returnwatch/ and the app id.",
    "ce_type": "The type of the alert.",
    "ce_time": "When the deadline, the end of hold or the record took effect (RFC 3339).",
    "ce_subject": "The order id.",
    "content-type": "application/json",
}
# What belongs to the run that told it, so that it may differ when it is told again.
RUN_HEADERS: Final = {
    "returnwatch-worker": "Who decided: host and process.",
    "returnwatch-decided-at": "The worker's wall clock then (RFC 3339).",
    "returnwatch-frontier": "Up to when both inputs were proven complete, in ms since 1970.",
    "returnwatch-offsets": "Next offsets of submitted and returned then, as 17/11.",
    "returnwatch-settings": "SHA-256 of the rules and settings; their text is in the changelog.",
}
RARE_HEADERS: Final = {
    "traceparent": "The W3C trace of the submission, where it had one.",
    "returnwatch-behind-frontier": "Arrival and what it was worked as, in ms, as 5000/4000: the "
    "cause came in behind the frontier.",
    "returnwatch-partitioner": "Told although the inputs look partitioned in different ways.",
}
LETTER_HEADERS: Final = {
    "__streams.errors.exception": "returnwatch.UnreadableRecord",
    "__streams.errors.message": "All problems in one line.",
    "__streams.errors.topic": "The topic it was read from.",
    "__streams.errors.partition": "Its partition there.",
    "__streams.errors.offset": "Its offset there.",
    "returnwatch-problems": "JSON: a list of field, problem and hint, as the schema "
    "dead-letter-problems has it.",
}
_BEHIND: Final = "returnwatch-behind-frontier"
_SASL: Final = {
    "PLAIN": "plain",
    "SCRAM-SHA-256": "scramSha256",
    "SCRAM-SHA-512": "scramSha512",
}


def document(settings: Settings) -> Document:
    """The document of a deployment with these settings; nothing secret is in it."""
    schemas = _schemas()
    described: Document = {
        "asyncapi": VERSION,
        "info": {
            "title": "Returnwatch",
            "version": version("returnwatch"),
            "description": "Watches orders on Kafka and tells which of them never got their "
            "result. Read what it sends with isolation.level=read_committed; each alert is then "
            "told once.",
        },
        "defaultContentType": "application/json",
        "servers": _servers(settings),
        "channels": _channels(settings),
        "operations": _operations(settings),
        "components": {"messages": _messages(settings), "schemas": schemas},
    }
    if settings.sasl_mechanism is not None:
        login = {"login": {"type": _SASL[settings.sasl_mechanism]}}
        described["components"]["securitySchemes"] = login
    return described


def _servers(settings: Settings) -> Document:
    is_secure = settings.security_protocol != "PLAINTEXT"
    server: Document = {"protocol": "kafka-secure" if is_secure else "kafka"}
    if settings.sasl_mechanism is not None:
        server["security"] = [{"$ref": "#/components/securitySchemes/login"}]
    hosts = server_list(settings.bootstrap_servers)
    return {f"kafka-{number}": {"host": host, **server} for number, host in enumerate(hosts, 1)}


def _operations(settings: Settings) -> Document:
    operations = {
        "readSubmitted": ("receive", "orderSubmitted", "Opens orders."),
        "readReturned": ("receive", "orderReturned", "Closes orders."),
        "sendAlerts": ("send", "orderAlerts", "Tells what went wrong, once each."),
        "sendDeadLetters": ("send", "orderDeadLetters", "Sets aside what cannot be read."),
    }
    if settings.stats:
        operations |= asyncapi_incidents.OPERATIONS
    return {name: _operation(*words) for name, words in operations.items()}


def _channels(settings: Settings) -> Document:
    alerts = [_camel(name) for name in VALUE_TYPES]
    of_incidents = {
        name: _channel(getattr(settings, field), messages, summary)
        for name, (field, messages, summary) in asyncapi_incidents.CHANNELS.items()
        if settings.stats
    }
    return {
        "orderSubmitted": _channel(
            settings.submitted_topic, ["orderSubmitted"], "Orders sent out, whose result is awaited"
        ),
        "orderReturned": _channel(
            settings.returned_topic, ["orderReturned"], "Their results as they come back"
        ),
        "orderAlerts": _channel(
            settings.alerts_topic, alerts, "Alerts, in order within one order id"
        ),
        "orderDeadLetters": _channel(
            settings.dead_letters_topic, ["deadLetter"], "Input records that cannot be read"
        ),
        **of_incidents,
    }


def _channel(topic: str, messages: Iterable[str], summary: str) -> Document:
    return {
        "address": topic,
        "summary": summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": {"bindingVersion": BINDING}},
    }


def _operation(action: str, channel: str, summary: str) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
    }


def _messages(settings: Settings) -> Document:
    of_alerts = {_camel(name): _alert_message(name) for name in VALUE_TYPES}
    return {
        "orderSubmitted": _input_message("order-submitted"),
        "orderReturned": _input_message("order-returned"),
        **of_alerts,
        "deadLetter": {
            "summary": "An input record with key, value, headers and timestamp as they were.",
            "contentType": "application/octet-stream",
            "headers": _headers(LETTER_HEADERS, rare={_BEHIND: RARE_HEADERS[_BEHIND]}),
            "payload": {"description": "The record's value as it was, JSON or not."},
            "bindings": {"kafka": {"bindingVersion": BINDING}},
        },
        **(_messages_of_incidents() if settings.stats else {}),
    }


def _messages_of_incidents() -> Document:
    return {
        name: {
            **({"name": told.ce_type, "headers": _event_headers(told)} if told.ce_type else {}),
            "summary": told.summary,
            "payload": {"$ref": f"#/components/schemas/{told.schema}"},
            "bindings": _keyed(told.key),
        }
        for name, told in asyncapi_incidents.MESSAGES.items()
    }


def _event_headers(told: asyncapi_incidents.Message) -> Document:
    headers = _headers(asyncapi_incidents.HEADERS, rare={})
    headers["properties"]["ce_type"] = {"type": "string", "const": told.ce_type}
    return headers


def _input_message(name: str) -> Document:
    return {
        "summary": "Plain JSON; or a CloudEvent, in binary mode or in structured mode with "
        "content-type application/cloudevents+json and this under data.",
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": _keyed(),
    }


def _alert_message(name: str) -> Document:
    told = ALERT_HEADERS | {"ce_type": f"returnwatch.order.{name}.v1"}
    headers = _headers(told | RUN_HEADERS, rare=RARE_HEADERS)
    headers["properties"]["ce_type"] = {"type": "string", "const": told["ce_type"]}
    return {
        "name": told["ce_type"],
        "summary": "A CloudEvent in binary mode.",
        "headers": headers,
        "payload": {"$ref": f"#/components/schemas/alert-{name}"},
        "bindings": _keyed(),
    }


def _keyed(what: str = "order id") -> Document:
    key = {"type": "string", "description": f"The {what}, in UTF-8."}
    return {"kafka": {"key": key, "bindingVersion": BINDING}}


def _headers(required: dict[str, str], *, rare: dict[str, str]) -> Document:
    properties = {
        name: {"type": "string", "description": text} for name, text in (required | rare).items()
    }
    return {"type": "object", "required": list(required), "properties": properties}


def _schemas() -> Document:
    """The records' schemas, their parts beside them: a reference is one into the document."""
    found: Document = {}
    for name, schema in record_schemas().items():
        parts = schema.pop("$defs", {})
        assert all(found.get(part, shape) == shape for part, shape in _in_place(parts).items())
        found |= {name: _in_place(schema) | {"title": name}, **_in_place(parts)}
    return found


def _in_place(schema: Any) -> Any:
    """The same with its references changed to where the parts stand in the document."""
    if isinstance(schema, dict):
        return {name: _in_place(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_in_place(value) for value in schema]
    if isinstance(schema, str):
        return re.sub(r"^#/\$defs/", "#/components/schemas/", schema)
    return schema


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def page() -> str:
    """asyncapi.yaml: the document of the default settings. Needs PyYAML, for developers only."""
    import yaml

    made = "# Made by `python -m streams.asyncapi > asyncapi.yaml`; a test compares.\n"
    text: str = yaml.safe_dump(
        document(Settings.model_construct()), sort_keys=False, width=100, allow_unicode=True
    )
    return made + text


if __name__ == "__main__":
    print(page(), end="")
