"""The types of the fields that records carry, each with the check that refuses a wrong value.

Strict: no number in a string, no 1.0 or true for 1. Integers and texts are checked inside
pydantic-core; Python runs only for an RFC 3339 time and for a text that needs mending.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from schemas.times import DAY_MS, EARLIEST_MS, milliseconds

RETURN_WITHIN_MAX_MS: Final = 30 * DAY_MS
ORDER_ID_MAX: Final = 128
NAME_MAX: Final = 64
CODE_MAX: Final = 64
MESSAGE_MAX: Final = 256
ATTEMPT_MAX: Final = 255
AMOUNT_MIN: Final = -(2**63)
AMOUNT_MAX: Final = 2**63 - 1


class MomentShape:
    """Integer milliseconds first, RFC 3339 text second, so that integers never meet Python."""

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        integer = core_schema.int_schema(strict=True, ge=EARLIEST_MS)
        text = core_schema.no_info_after_validator_function(
            recent_milliseconds, core_schema.str_schema(strict=True)
        )
        return core_schema.union_schema([integer, text], mode="left_to_right")

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        integer = {"type": "integer", "minimum": EARLIEST_MS}
        return {"anyOf": [integer, {"type": "string", "format": "date-time"}]}


@dataclass(frozen=True, slots=True)
class CutText:
    """A text that is cut at its length instead of refused; an integer may be taken as text."""

    length_max: int
    takes_integer: bool = False

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        right = core_schema.str_schema(strict=True, max_length=self.length_max)
        mended = core_schema.no_info_plain_validator_function(self.mend)
        return core_schema.union_schema([right, mended], mode="left_to_right")

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        text = {"type": "string", "maxLength": self.length_max}
        return {"anyOf": [text, {"type": "integer"}]} if self.takes_integer else text

    def mend(self, value: object) -> str:
        """The value as text of at most `length_max` code points; ValueError if it is none."""
        if self.takes_integer and type(value) is int:
            value = str(value)
        if not isinstance(value, str):
            raise ValueError("not a text")
        text = value[: self.length_max]
        text.encode()  # A lone surrogate raises here, and could not be written into an alert.
        return text


def recent_milliseconds(text: str) -> int:
    """The milliseconds of an RFC 3339 time from 2000 on; ValueError for any other text."""
    time_ms = milliseconds(text)
    if time_ms < EARLIEST_MS:
        raise ValueError("before 2000")
    return time_ms


OrderId = Annotated[str, Field(strict=True, min_length=1, max_length=ORDER_ID_MAX)]
Moment = Annotated[int, MomentShape()]
ReturnWithin = Annotated[int, Field(strict=True, ge=1, le=RETURN_WITHIN_MAX_MS)]
Attempt = Annotated[int, Field(strict=True, ge=1, le=ATTEMPT_MAX)]
Name = Annotated[str, Field(strict=True, max_length=NAME_MAX)]
Amount = Annotated[int, Field(strict=True, ge=AMOUNT_MIN, le=AMOUNT_MAX)]
Currency = Annotated[str, Field(strict=True, pattern="^[A-Z]{3}$")]
Code = Annotated[str, CutText(CODE_MAX, takes_integer=True)]
Message = Annotated[str, CutText(MESSAGE_MAX)]

FinalOutcome = Literal["accepted", "rejected", "cancelled"]
InterimOutcome = Literal["pending", "error"]
Outcome = Literal["accepted", "rejected", "cancelled", "pending", "error"]
