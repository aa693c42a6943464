"""What was told on the alerts topic: the alerts of a stretch, as subscribers see them."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.alerts import read_alert
from schemas.records import Record
from schemas.times import milliseconds
from streams.log_reader import LogReader

# An alert is written after it took effect, but by the clock of whoever sets the topic's times.
CLOCK_SLACK_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Told:
    """A record of the alerts topic; `effect_ms` is None where its headers do not say it, `fields`
    where it is no alert."""

    partition: int
    record: Record
    headers: Mapping[str, bytes]
    effect_ms: int | None
    fields: dict[str, Any] | None

    @property
    def moment_ms(self) -> int:
        """When it took effect; without that, when it was written."""
        return self.record.timestamp_ms if self.effect_ms is None else self.effect_ms


async def told_since(
    client_options: Mapping[str, Any], topic: str, since_ms: int
) -> AsyncGenerator[Told, None]:
    """All records written since then that a stretch from there on can be about; BrokerUnavailable
    where the topic cannot be read."""
    from_ms = since_ms - CLOCK_SLACK_MS if since_ms > CLOCK_SLACK_MS else None
    async with LogReader(client_options, topic) as reader:
        async for tp, record in reader.records(from_ms=from_ms, follow=False):
            yield _told(tp.partition, record)


def _told(partition: int, record: Record) -> Told:
    headers = dict(record.headers)
    try:
        effect_ms = milliseconds((headers.get("ce_time") or b"").decode())
    except ValueError:  # A UnicodeDecodeError is one.
        effect_ms = None
    try:
        fields = read_alert(record.value or b"")
    except ValueError:
        fields = None
    return Told(partition, record, headers, effect_ms, fields)
