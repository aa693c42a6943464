"""Times as they are typed: RFC 3339, or relative to now."""

import re
from datetime import datetime
from typing import Final

from schemas.times import milliseconds
from streams.failures import WrongUse

_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_RELATIVE: Final = re.compile("-[0-9]{1,12}[smhd]")


class WrongTime(WrongUse):
    """A time that is neither RFC 3339 nor relative."""


def time_ms(text: str, now: datetime, option: str = "--from") -> int:
    """An RFC 3339 time, or one relative to now such as `-2h`, in ms since 1970, 0 for earlier."""
    try:
        if _RELATIVE.fullmatch(text):
            ago_ms = int(text[1:-1]) * _UNITS_MS[text[-1]]
            return max(int(now.timestamp() * 1_000) - ago_ms, 0)
        return max(milliseconds(text), 0)
    except ValueError as error:
        raise WrongTime(
            f"{option} {text} is no time: give one like 2026-01-31T12:00:00Z or -2h."
        ) from error
