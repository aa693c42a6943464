"""What pydantic found wrong with settings, in sentences a reader can act on.

Knows the settings only as a table of their variables. Never repeats the value of a secret.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final, get_args

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from streams.failures import WrongUse
from streams.settings_values import Right, Why

SHOWN_MAX: Final = 80  # characters of a wrong value in one problem
_CONTRADICTION: Final = "contradiction"


class SettingsError(WrongUse):
    """What is wrong with the settings: one sentence for each problem, without any secret."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def contradiction(sentences: tuple[str, ...]) -> PydanticCustomError:
    """What a check of several settings raises: each sentence becomes a problem of its own."""
    text = " ".join(sentences).replace("{", "(").replace("}", ")")
    return PydanticCustomError(_CONTRADICTION, text, {"sentences": sentences})


def sentences(error: ValidationError, fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    """One sentence for each wrong setting; `fields` by variable and by attribute."""
    told = set()
    for detail in error.errors(include_url=False):
        if detail["type"] == _CONTRADICTION:
            yield from detail["ctx"]["sentences"]
            continue
        name = str(detail["loc"][0])
        if name not in told:  # A value that is wrong in two ways is still one wrong value.
            told.add(name)
            yield _refusal(name, detail, fields.get(name))


def right_of(field: FieldInfo) -> Right | None:
    """The rule of a field; `X | None` keeps that of X."""
    inner = [getattr(part, "__metadata__", ()) for part in get_args(field.annotation)]
    notes = chain(field.metadata, *inner)
    return next((note for note in notes if isinstance(note, Right)), None)


def is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


def _refusal(name: str, detail: ErrorDetails, field: FieldInfo | None) -> str:
    if field is None:
        return f"{name} is not a setting; `returnwatch config` lists them all."
    variable = field.validation_alias or name
    right = right_of(field)
    if right is None or is_secret(field):
        return f"{variable} must be a text; for example {variable}=text."
    shown = _shown(detail["input"])
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, Why):
        shown += f" ({error})"
    return f"{variable} must be {right.rule}, not {shown}; for example {variable}={right.example}."


def _shown(value: object) -> str:
    text = repr(value if isinstance(value, str | int | float) else str(value))
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."
