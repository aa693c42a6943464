"""The types of the settings' values, each with its check and what a right value is, in words.

Knows no setting by name. A check raises ValueError; its text is not shown, the rule is, but for a
Why, which says more than the rule.
"""

import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from schemas.times import DAY_MS, SECOND_MS, milliseconds

DURATION_MAX_S: Final = 30 * DAY_MS // SECOND_MS
PROCESSES_MAX: Final = 64
CHECKPOINT_INTERVAL_MAX_S: Final = 3_600
TOPIC_NAME_MAX: Final = 249  # Kafka's own limit: the name of a folder, with room for its suffix.
CHANGELOG_SUFFIX: Final = "-changelog"
INCIDENTS_CHANGELOG_SUFFIX: Final = "-incidents-changelog"

_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]+")
_SERVER: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_TOPIC_LETTERS: Final = "letters, digits, '.', '_' and '-'"


@dataclass(frozen=True, slots=True)
class Right:
    """What a right value is, and an example of one as it stands in the environment."""

    rule: str
    example: str


def server_list(text: str) -> list[str]:
    """The servers of `host:port,host:port`; ValueError if one of them is not of that form."""
    servers = [server.strip() for server in text.split(",")]
    for server in servers:
        found = _SERVER.fullmatch(server)
        if found is None or not 1 <= int(found[1]) <= 65_535:
            raise ValueError("not host:port")
    return servers


def _servers(text: str) -> str:
    return ",".join(server_list(text))


def _legal_name(length_max: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if len(text) > length_max or text in {".", ".."} or _TOPIC.fullmatch(text) is None:
            raise ValueError("not a legal name")
        return text

    return check


def _start(text: str) -> str:
    if text not in {"earliest", "latest"}:
        milliseconds(text)
    return text


class Why(ValueError):
    """Why a value is not what it has to be; its text is shown, so it holds nothing secret."""


def _file(path: Path) -> Path:
    try:
        mode = path.stat().st_mode
    except OSError as error:  # A name that is too long, or below a folder one may not enter.
        raise Why(error.strerror) from error
    if stat.S_ISDIR(mode):
        raise Why("it is a folder")
    if not stat.S_ISREG(mode):
        raise Why("it is no regular file")
    return path


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


Servers = Annotated[
    str,
    AfterValidator(_servers),
    Right("one or more host:port, separated by commas", "broker-1:9092,broker-2:9092"),
]
Protocol = Annotated[
    Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
    BeforeValidator(_upper),
    Right("PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", "SASL_SSL"),
]
Mechanism = Annotated[
    Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
    BeforeValidator(_upper),
    Right("PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", "SCRAM-SHA-512"),
]
ExistingFile = Annotated[
    Path, AfterValidator(_file), Right("a file that exists", "/etc/returnwatch/file")
]
AppId = Annotated[
    str,
    AfterValidator(_legal_name(TOPIC_NAME_MAX - len(INCIDENTS_CHANGELOG_SUFFIX))),
    Right(f"up to 229 {_TOPIC_LETTERS}", "returnwatch-eu"),
]
TopicName = Annotated[
    str,
    AfterValidator(_legal_name(TOPIC_NAME_MAX)),
    Right(f"up to {TOPIC_NAME_MAX} {_TOPIC_LETTERS}", "shop.order-events"),
]
Deadline = Annotated[
    Decimal,
    Field(ge=Decimal("0.001"), le=DURATION_MAX_S, decimal_places=3),
    Right("a number of seconds from 0.001 to 2592000 (30 days), in steps of 0.001", "1.5"),
]
Duration = Annotated[
    Decimal,
    Field(ge=0, le=DURATION_MAX_S, decimal_places=3),
    Right("a number of seconds from 0 to 2592000 (30 days), in steps of 0.001", "1.5"),
]
# Half of it is what the worker's clock may be ahead, measured by answers that take some ms.
Grace = Annotated[
    Decimal,
    Field(ge=Decimal("0.1"), le=3_600, decimal_places=3),
    Right("a number of seconds from 0.1 to 3600, in steps of 0.001", "1.5"),
]
# These two only say how long the program waits, no verdict depends on them: asyncio takes floats.
CheckpointInterval = Annotated[
    float,
    Field(ge=0.001, le=CHECKPOINT_INTERVAL_MAX_S),
    Right("a number of seconds from 0.001 to 3600", "5"),
]
Patience = Annotated[
    float,
    Field(ge=0, le=DURATION_MAX_S),
    Right("a number of seconds from 0 to 2592000 (30 days)", "60"),
]
Start = Annotated[
    str,
    AfterValidator(_start),
    Right("earliest, latest or an RFC 3339 time with an offset", "2026-01-01T00:00:00Z"),
]
Flag = Annotated[bool, Right("true or false", "true")]
Host = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9.:_-]+$"), Right("a host name or an IP address", "127.0.0.1")
]
Port = Annotated[int, Field(ge=0, le=65_535), Right("a number from 0 (off) to 65535", "6066")]
Processes = Annotated[
    int, Field(ge=1, le=PROCESSES_MAX), Right(f"a number from 1 to {PROCESSES_MAX}", "4")
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    BeforeValidator(_lower),
    Right("debug, info, warning or error", "info"),
]
LogFormat = Annotated[
    Literal["auto", "text", "json"], BeforeValidator(_lower), Right("auto, text or json", "json")
]
