"""Reads a topic without a consumer group, to the end it had when it began, or on."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.records import Record
from streams.failures import words
from streams.transport.log_bounds import BrokerUnavailable
from streams.unreachable import unreachable

POLL_MS: Final = 200
REQUEST_TIMEOUT_MS: Final = 20_000


class LogReader:
    """The committed records of one topic; an async context manager.

    BrokerUnavailable where no broker answers or the topic is not there.
    """

    def __init__(self, client_options: Mapping[str, Any], topic: str) -> None:
        self._topic = topic
        self._options = client_options
        self._consumer: Any = AIOKafkaConsumer(
            **client_options,
            group_id=None,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
        except KafkaError as error:
            await self._consumer.stop()
            raise await unreachable(self._options) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def records(
        self, *, from_ms: int | None, follow: bool
    ) -> AsyncIterator[tuple[TopicPartition, Record]]:
        """Records written since `from_ms` (all if None), each partition in its order."""
        try:
            tps = await self._assign()
            await self._begin(tps, from_ms)
            ends = await self._consumer.end_offsets(tps)
            while follow or await self._is_before(ends):
                for tp, found in (await self._consumer.getmany(timeout_ms=POLL_MS)).items():
                    for it in found:
                        yield tp, Record(it.offset, it.timestamp, it.key, it.value, it.headers)
        except KafkaError as error:
            raise BrokerUnavailable(f"{self._topic} cannot be read: {words(error)}.") from error

    async def _assign(self) -> list[TopicPartition]:
        topics = await self._consumer.topics()
        if self._topic not in topics:
            raise BrokerUnavailable(
                f"The topic {self._topic} does not exist. Type: returnwatch topics create"
            )
        await self._consumer._client.set_topics([self._topic])
        partitions = self._consumer.partitions_for_topic(self._topic) or ()
        tps = [TopicPartition(self._topic, partition) for partition in sorted(partitions)]
        self._consumer.assign(tps)
        return tps

    async def _begin(self, tps: list[TopicPartition], from_ms: int | None) -> None:
        if from_ms is None:
            await self._consumer.seek_to_beginning(*tps)
            return
        found = await self._consumer.offsets_for_times(dict.fromkeys(tps, from_ms))
        for tp in tps:
            if found.get(tp) is None:
                await self._consumer.seek_to_end(tp)
            else:
                self._consumer.seek(tp, found[tp].offset)

    async def _is_before(self, ends: Mapping[TopicPartition, int]) -> bool:
        for tp, end in ends.items():
            if await self._consumer.position(tp) < end:
                return True
        return False
