"""The silences on their topic: read to its end, and written.

All of them stand in partition 0, so that they have one order.
"""

from collections.abc import Iterable
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.records import Record
from schemas.silences import SilenceRecord, encode_silence, read_silence
from streams.failures import words
from streams.log_reader import LogReader
from streams.settings import Settings
from streams.transport.log_bounds import BrokerUnavailable

PARTITION: Final = 0
SILENCES_MAX: Final = 10_000  # Kept at a time; the topic is compacted, so one a silence id.

log = structlog.get_logger(__name__)


class Silences:
    """The silences that stand on the topic, as its records are taken in."""

    def __init__(self) -> None:
        self._by_id: dict[bytes, SilenceRecord] = {}

    def take(self, record: Record) -> None:
        """Take in the next record; one that is no silence is passed over, and logged."""
        key = record.key or b""
        self._by_id.pop(key, None)
        if record.value is None:
            return
        try:
            silence = read_silence(record.value)
        except ValueError as error:
            log.warning("a record is no silence, passed over", offset=record.offset, why=str(error))
            return
        if len(self._by_id) >= SILENCES_MAX:
            log.warning("too many silences, passed over", limit=SILENCES_MAX)
            return
        self._by_id[key] = silence

    def all(self) -> list[SilenceRecord]:
        """In the order of their records."""
        return list(self._by_id.values())


async def read_silences(settings: Settings) -> list[SilenceRecord]:
    """Those that stand now; BrokerUnavailable where they cannot be read."""
    silences = Silences()
    async with LogReader(settings.kafka_client_options(), settings.silences_topic) as reader:
        async for _, record in reader.records(from_ms=None, follow=False):
            silences.take(record)
    return silences.all()


async def write_silences(settings: Settings, silences: Iterable[SilenceRecord]) -> None:
    """Confirmed when it returns; BrokerUnavailable where they are not taken."""
    await _write(settings, [(it.silence_id.encode(), encode_silence(it)) for it in silences])


async def forget_silences(settings: Settings, silence_ids: Iterable[str]) -> None:
    """Those that have not begun leave no trace; BrokerUnavailable where that is not taken."""
    await _write(settings, [(silence_id.encode(), None) for silence_id in silence_ids])


async def _write(settings: Settings, rows: list[tuple[bytes, bytes | None]]) -> None:
    producer: Any = AIOKafkaProducer(
        **settings.kafka_client_options(), acks="all", enable_idempotence=True
    )
    try:
        await producer.start()
        for key, value in rows:
            await producer.send_and_wait(
                settings.silences_topic, key=key, value=value, partition=PARTITION
            )
    except KafkaError as error:
        raise BrokerUnavailable(
            f"{settings.silences_topic} does not take records: {words(error)}."
        ) from error
    finally:
        await producer.stop()
