"""Times on the wire: integer milliseconds since 1970 UTC, and their RFC 3339 text.

Reads no clock. The format's source is RFC 3339, section 5.6.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
DAY_MS: Final = 24 * 60 * MINUTE_MS

EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01T00:00:00Z, before which no order was sent

SECONDS_REMEMBERED_MAX: Final = 4_000  # As texts of 19 characters.

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_FIRST_MS: Final = (date.min.toordinal() - _EPOCH_ORDINAL) * DAY_MS
_LAST_MS: Final = (date.max.toordinal() - _EPOCH_ORDINAL + 1) * DAY_MS - 1
_RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)"
    r"(?:\.([0-9]+))?(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)


def rfc3339(time_ms: int) -> str:
    """Milliseconds as `2026-01-01T00:00:00.000Z`.

    A time outside the years 1 to 9999, which a record timestamp can hold and RFC 3339 cannot, is
    shown as the nearest one that can be written: an alert must not fail on its cause's clock.
    """
    second_s, ms = divmod(min(max(time_ms, _FIRST_MS), _LAST_MS), SECOND_MS)
    return f"{_second(second_s)}.{ms:03}Z"


@lru_cache(maxsize=SECONDS_REMEMBERED_MAX)
def _second(second_s: int) -> str:
    """Most times that are told follow one another closely."""
    return (_EPOCH + timedelta(seconds=second_s)).isoformat()[: -len("+00:00")]


def milliseconds(text: str) -> int:
    """The milliseconds of an RFC 3339 time with an offset; finer fractions are cut off.

    Raises ValueError for anything else. A leap second reads as the first of the next minute.
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError("not an RFC 3339 time with an offset")
    day, hour, minute, second, fraction, sign, offset_hour, offset_minute = found.groups()
    seconds = int(hour) * 3600 + int(minute) * 60 + int(second)
    if sign is not None:
        offset_s = int(offset_hour) * 3600 + int(offset_minute) * 60
        seconds += offset_s if sign == "-" else -offset_s
    if second == "60" and seconds % 86_400 != 0:
        raise ValueError("a leap second stands only at the end of a UTC day")
    days = date.fromisoformat(day).toordinal() - _EPOCH_ORDINAL
    return days * DAY_MS + seconds * SECOND_MS + int((fraction or "")[:3].ljust(3, "0"))
