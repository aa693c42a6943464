"""The settings as a table: for `returnwatch config` and for docs/settings.md.

`python -m streams.settings_table > docs/settings.md` writes the page again; a test compares.
"""

from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, Final, Literal

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from streams.settings import FIELDS, Settings
from streams.settings_problems import right_of
from streams.settings_sources import ENV_FILE, Sources, read_sources

MASK: Final = "******"
NOT_SET: Final = "not set"

Source = Literal["argument", "environment", ".env", "default"]

_HEAD: Final = f"""# Settings

Made by `python -m streams.settings_table > docs/settings.md`; a test compares.

Read from the environment and from a file `{ENV_FILE}` in the current folder; the environment wins.
An empty value counts as not set. Everything is checked at the start: a wrong value, two that do not
go together, or an unknown name that begins with `RETURNWATCH_` (in `{ENV_FILE}` also with `KAFKA_`)
ends the command with status 2 and a sentence for each. `returnwatch config` shows every value and
where it came from.
"""
_COLUMNS: Final = "| variable | default | what it is | right values | example |"


@dataclass(frozen=True, slots=True)
class Described:
    """One setting as it is shown; a secret is masked."""

    group: str
    variable: str
    value: str
    source: Source
    description: str
    default: str


def described(settings: Settings) -> list[Described]:
    """Every setting in the order of the documentation, with where its value came from."""
    sources = read_sources(FIELDS)
    return [
        Described(
            group=_group(field),
            variable=variable,
            value=_text(getattr(settings, name)),
            source=_source(variable, name in settings.overridden, sources),
            description=field.description or "",
            default=_text(field.default),
        )
        for (variable, field), name in zip(FIELDS.items(), Settings.model_fields, strict=True)
    ]


def page() -> str:
    """docs/settings.md."""
    parts = [_HEAD]
    for group, fields in groupby(FIELDS.items(), key=lambda item: _group(item[1])):
        rows = [_row(variable, field) for variable, field in fields]
        parts.append("\n".join([f"## {group}\n", _COLUMNS, "|---|---|---|---|---|", *rows, ""]))
    return "\n".join(parts)


def _row(variable: str, field: FieldInfo) -> str:
    right = right_of(field)
    rule, example = ("a text", "") if right is None else (right.rule, f"`{right.example}`")
    default = _text(field.default)
    shown = default if default == NOT_SET else f"`{default}`"
    return f"| `{variable}` | {shown} | {field.description} | {rule} | {example} |"


def _group(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    return str(extra["group"])


def _source(variable: str, overridden: bool, sources: Sources) -> Source:
    if overridden:
        return "argument"
    if variable in sources.environment:
        return "environment"
    return ".env" if variable in sources.env_file else "default"


def _text(value: Any) -> str:
    match value:
        case None:
            return NOT_SET
        case SecretStr():
            return MASK
        case bool():
            return str(value).lower()
        case float() | Decimal():
            # Three decimals are all a duration can have; an interval is written the same.
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case _:
            return str(value)


if __name__ == "__main__":
    print(page(), end="")
