"""The JSON Schema files in schemas/json, made from the types.

`python -m schemas.jsonschema` writes them again; a test compares. For other programs and people
only: what decides is the codec, which also checks what a schema cannot say (the key, and times
against the record's timestamp).
"""

from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from schemas.alerts import VALUE_TYPES
from schemas.deadletters import ProblemJson
from schemas.events import ReturnJson, SubmissionJson
from schemas.incidents import Incident
from schemas.limits import LimitCrossed
from schemas.silences import SilenceEnded, SilenceRecord
from schemas.stats import StatsRecord

FOLDER: Final = Path(__file__).parent / "json"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_BOTH_OR_NEITHER: Final[dict[str, Any]] = {
    "anyOf": [
        {
            "required": ["amount_minor", "currency"],
            "properties": {"amount_minor": {"type": "integer"}, "currency": {"type": "string"}},
        },
        {"properties": {"amount_minor": {"type": "null"}, "currency": {"type": "null"}}},
    ]
}


def record_schemas() -> dict[str, dict[str, Any]]:
    """Name to schema, for every record in and out."""
    return {
        "order-submitted": _schema(SubmissionJson) | _BOTH_OR_NEITHER,
        "order-returned": _schema(ReturnJson) | _BOTH_OR_NEITHER,
        **{f"alert-{name}": _alert_schema(name) for name in VALUE_TYPES},
        "dead-letter-problems": _schema(list[ProblemJson]),
        "order-stats": _stats_schema(),
        "order-incidents": _any_of(Incident, LimitCrossed, SilenceEnded),
        "order-silences": msgspec.json.schema(SilenceRecord),
    }


def schema_files() -> dict[str, bytes]:
    """File name to content, for each of them."""
    return {
        f"{title}.json": orjson.dumps(
            {"$schema": _DIALECT, "title": title} | schema | {"title": title},
            option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
        )
        for title, schema in record_schemas().items()
    }


def write_schema_files(folder: Path) -> None:
    """Write every file into the folder, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in schema_files().items():
        (folder / name).write_bytes(content)


def _schema(shape: Any) -> dict[str, Any]:
    return TypeAdapter(shape).json_schema(schema_generator=_Untitled)


def _stats_schema() -> dict[str, Any]:
    schema = msgspec.json.schema(StatsRecord)
    del schema["discriminator"]  # OpenAPI's; JSON Schema tells the two apart by `type` anyway.
    return schema


def _any_of(*shapes: type[msgspec.Struct]) -> dict[str, Any]:
    """Of a topic with records of several kinds; a header says which."""
    references, parts = msgspec.json.schema_components(shapes, ref_template="#/$defs/{name}")
    return {"anyOf": list(references), "$defs": parts}


def _alert_schema(name: str) -> dict[str, Any]:
    schema = _schema(VALUE_TYPES[name])
    schema["properties"]["type"] = {"const": name}
    return schema


class _Untitled(GenerateJsonSchema):
    """Without the title that pydantic gives every field, its name over again."""

    def field_title_should_be_set(self, _: Any) -> bool:
        return False


if __name__ == "__main__":
    write_schema_files(FOLDER)
