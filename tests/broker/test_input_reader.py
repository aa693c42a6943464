"""What a reader of the inputs fetches, and when."""

import asyncio
from functools import partial

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import consumer
from aiokafka.consumer.fetcher import Fetcher

from streams.transport.reader import InputReader
from tests.broker.records import NewRecord, produce
from tests.broker.topics import Names, create_topics

LIMIT_S = 10.0


async def offsets_read(reader: InputReader, tp: TopicPartition, end: int) -> list[int]:
    offsets: list[int] = []
    while not offsets or offsets[-1] < end - 1:
        for fetched in await reader.fetch({tp: 1}):
            offsets += [record.offset for record in fetched.records]
    return offsets


async def test_a_partition_is_fetched_on_while_another_has_records_that_nobody_takes(
    bootstrap: str, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_topics(bootstrap, {names.submitted: (2, {})})
    waiting, wanted = (TopicPartition(names.submitted, number) for number in range(2))
    produce(bootstrap, names.submitted, [NewRecord(b"k", b"v", partition=0)])
    produce(bootstrap, names.submitted, [NewRecord(b"k", b"v" * 1_000, partition=1)] * 3_000)
    # aiokafka would wait so long for the one that is not taken.
    monkeypatch.setattr(consumer, "Fetcher", partial(Fetcher, prefetch_backoff=6 * LIMIT_S))
    reader = InputReader({"bootstrap_servers": bootstrap})
    await reader.start()

    try:
        reader.assign([waiting, wanted])
        await reader.open({waiting: 0, wanted: 0}, 1)
        read = await asyncio.wait_for(offsets_read(reader, wanted, 3_000), LIMIT_S)
    finally:
        await reader.stop()

    assert read == list(range(3_000))
