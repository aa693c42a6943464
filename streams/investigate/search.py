"""Searches stretches of several topic partitions at once, for the few records that are wanted.

A consumer without a group, in large fetches; a record that is not wanted is looked at in its
batch and never made one of ours. Knows no orders.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.records import Record
from streams.failures import words
from streams.transport.ending import end_soon
from streams.transport.log_bounds import BrokerUnavailable, Offsets
from streams.transport.unpacking import Keep, search_fetched
from streams.unreachable import unreachable

FETCH_WAIT_S: Final = 0.5
SILENT_MAX_S: Final = 40.0  # Longer than a transaction of the worker may stay open.
REQUEST_TIMEOUT_MS: Final = 20_000
PARTITION_FETCH_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stretch:
    """[start, end) of a topic partition, in offsets."""

    start: int
    end: int


Stretches = Mapping[TopicPartition, Stretch]
Found = list[tuple[TopicPartition, Record]]


class LogSearch:
    """Committed records of any topics; an async context manager.

    BrokerUnavailable where no broker answers, or a topic is not there or not ours to read.
    """

    def __init__(self, client_options: Mapping[str, Any]) -> None:
        self._options = client_options
        self._consumer: Any = AIOKafkaConsumer(
            **client_options,
            group_id=None,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
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
        await end_soon(self._consumer.stop(), self._consumer)

    async def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """How many each topic has."""
        wanted = list(topics)
        try:
            there = await self._consumer.topics()
            for topic in wanted:
                if topic not in there:
                    raise BrokerUnavailable(
                        f"The topic {topic} does not exist, or may not be seen. "
                        "Type: returnwatch topics check"
                    )
            await self._consumer._client.set_topics(wanted)
        except KafkaError as error:
            raise BrokerUnavailable(f"The topics cannot be read: {words(error)}.") from error
        return {topic: len(self._consumer.partitions_for_topic(topic) or ()) for topic in wanted}

    async def stretches(
        self, tps: Iterable[TopicPartition], from_ms: int, to_ms: int | None
    ) -> dict[TopicPartition, Stretch]:
        """Of the records written from one time on and, if there is another, before that."""
        wanted = list(tps)
        try:
            ends: Offsets = await self._consumer.end_offsets(wanted)
            starts = await self._offsets_at(wanted, from_ms, ends)
            if to_ms is not None:
                ends = await self._offsets_at(wanted, to_ms, ends)
        except KafkaError as error:
            raise BrokerUnavailable(f"The logs' ends are not told: {words(error)}.") from error
        return {tp: Stretch(starts[tp], ends[tp]) for tp in wanted}

    async def find(self, stretches: Stretches, keeps: Mapping[TopicPartition, Keep]) -> Found:
        """The records to keep, each partition in its order."""
        left = {tp: each.end for tp, each in stretches.items() if each.start < each.end}
        if not left:
            return []
        self._consumer.assign(list(left))
        for tp in left:
            self._consumer.seek(tp, stretches[tp].start)
        found: Found = []
        try:
            await self._go_through(left, keeps, found)
        except KafkaError as error:
            topics = ", ".join(sorted({tp.topic for tp in left}))
            raise BrokerUnavailable(f"{topics} cannot be read: {words(error)}.") from error
        return found

    async def _go_through(
        self, left: dict[TopicPartition, int], keeps: Mapping[TopicPartition, Keep], found: Found
    ) -> None:
        fetcher = self._consumer._fetcher
        positions: Offsets = {}
        moved_s = time.monotonic()
        while left:
            wanted = {tp: keeps[tp] for tp in left}
            with fetcher._subscriptions.fetch_context():
                taken = await search_fetched(fetcher, wanted, timeout_s=FETCH_WAIT_S)
            for tp, records in taken.items():
                found += [(tp, record) for record in records if record.offset < left[tp]]
            now = {tp: await self._consumer.position(tp) for tp in left}
            if now != positions:
                positions, moved_s = now, time.monotonic()
            elif time.monotonic() - moved_s > SILENT_MAX_S:
                raise BrokerUnavailable(_silent(left, now))
            for tp in [tp for tp, end in left.items() if now[tp] >= end]:
                self._consumer.pause(tp)
                del left[tp]

    async def _offsets_at(self, tps: list[TopicPartition], at_ms: int, ends: Offsets) -> Offsets:
        found = await self._consumer.offsets_for_times(dict.fromkeys(tps, at_ms))
        at = {tp: ends[tp] if found.get(tp) is None else found[tp].offset for tp in tps}
        return {tp: min(offset, ends[tp]) for tp, offset in at.items()}


def _silent(left: Offsets, positions: Offsets) -> str:
    tp = next(iter(left))
    return (
        f"{tp.topic} partition {tp.partition} gives no record at offset {positions[tp]} of "
        f"{left[tp]} for {SILENT_MAX_S:g} s: an open transaction may stand there. Type it again."
    )
