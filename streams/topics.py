"""The topics of a deployment: five, and four more for incidents; what they have to be."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from streams.settings import Settings

TIMESTAMP_TYPE: Final = "message.timestamp.type"
CLEANUP_POLICY: Final = "cleanup.policy"
MESSAGE_BYTES: Final = "max.message.bytes"
CONFIGS: Final = (TIMESTAMP_TYPE, CLEANUP_POLICY, MESSAGE_BYTES)

# A dead letter is the record it was plus our headers, so it may be larger than its input allows.
DEAD_LETTER_BYTES: Final = 2 * 1024 * 1024

_LOG_APPEND_TIME: Final = MappingProxyType({TIMESTAMP_TYPE: "LogAppendTime"})
_CHANGELOG: Final = MappingProxyType({TIMESTAMP_TYPE: "LogAppendTime", CLEANUP_POLICY: "compact"})
_COMPACTED: Final = MappingProxyType({CLEANUP_POLICY: "compact"})
_DEAD_LETTERS: Final = MappingProxyType({MESSAGE_BYTES: str(DEAD_LETTER_BYTES)})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic that there has to be, and the configuration it is made with; `partitions` is None
    where it has to have as many as the inputs."""

    name: str
    is_input: bool
    configs: Mapping[str, str]
    partitions: int | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a topic the state rests on; the id is None where the broker does not tell it."""

    partitions: int
    topic_id: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is; `configs` and `topic_id` are None where the broker does not tell."""

    name: str
    partitions: int
    replicas: int
    configs: Mapping[str, str] | None
    is_forbidden: bool = False
    topic_id: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, in one sentence, and what to type."""

    subject: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.problem} {self.fix}"


class Refused(Exception):
    """Topics or permissions are not as they have to be; each finding says what to do."""

    def __init__(self, wrong: list[Finding]) -> None:
        super().__init__("\n".join(map(str, wrong)))
        self.findings = wrong


def wanted_topics(settings: Settings) -> tuple[Wanted, ...]:
    """The topics of a deployment, inputs first."""
    of_orders = (
        Wanted(settings.submitted_topic, True, _LOG_APPEND_TIME),
        Wanted(settings.returned_topic, True, _LOG_APPEND_TIME),
        Wanted(settings.alerts_topic, False, {}),
        Wanted(settings.dead_letters_topic, False, _DEAD_LETTERS),
        Wanted(settings.changelog_topic, False, _CHANGELOG),
    )
    return (*of_orders, *topics_of_incidents(settings)) if settings.stats else of_orders


def compacted_topics(settings: Settings) -> dict[str, str]:
    """Those that lose what has to stay unless they are compacted: by name, what they would lose."""
    changelogs = {settings.changelog_topic: "state"}
    if settings.stats:
        changelogs |= {settings.incidents_changelog_topic: "state"}
        changelogs |= {settings.silences_topic: "silences that are still to come"}
    return changelogs


def counted(count: int, noun: str) -> str:
    """`1 partition`, `4 partitions`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def topics_of_incidents(settings: Settings) -> tuple[Wanted, ...]:
    """All of them but the counts have one writer, and one partition: its order is that of time."""
    return (
        Wanted(settings.stats_topic, False, _LOG_APPEND_TIME),
        Wanted(settings.incidents_topic, False, {}, partitions=1),
        Wanted(settings.silences_topic, False, _COMPACTED, partitions=1),
        Wanted(settings.incidents_changelog_topic, False, _CHANGELOG, partitions=1),
    )
