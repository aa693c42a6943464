"""What a reader of the inputs fetches, and when."""

import asyncio
from functools import partial

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import consumer
from aiokafka.consumer.fetcher import Fetcher

from schemas.records import Record
from streams.transport.reader import InputReader
from tests.broker.records import NewRecord, new_producer, produce, put
from tests.broker.topics import Names, create_topics

LIMIT_S = 10.0


async def records_read(reader: InputReader, tp: TopicPartition, end: int) -> list[Record]:
    records: list[Record] = []
    while not records or records[-1].offset < end - 1:
        for fetched in await reader.fetch({tp: 1}):
            records += fetched.records
    return records


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
        records = await asyncio.wait_for(records_read(reader, wanted, 3_000), LIMIT_S)
    finally:
        await reader.stop()

    assert [record.offset for record in records] == list(range(3_000))


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_records_are_read_however_their_producer_compresses_them(
    bootstrap: str, names: Names, compression: str
) -> None:
    create_topics(bootstrap, {names.submitted: (1, {})})
    producer = new_producer(bootstrap, **{"compression.type": compression})
    for number in range(500):
        put(producer, names.submitted, NewRecord(b"key", b"value %d " % number * 9, [("h", b"v")]))
    producer.flush(LIMIT_S)
    tp, reader = TopicPartition(names.submitted, 0), InputReader({"bootstrap_servers": bootstrap})
    await reader.start()

    try:
        reader.assign([tp])
        await reader.open({tp: 0}, 1)
        records = await asyncio.wait_for(records_read(reader, tp, 500), LIMIT_S)
    finally:
        await reader.stop()

    assert [record.value for record in records] == [b"value %d " % it * 9 for it in range(500)]
    assert {(record.key, *record.headers) for record in records} == {(b"key", ("h", b"v"))}
