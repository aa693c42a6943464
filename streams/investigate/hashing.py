"""By which hash the keys of a topic were put into partitions, seen from the first of them."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from aiokafka import TopicPartition

from schemas.records import SUBMITTED
from streams.investigate.search import LogSearch, Stretch, Stretches
from streams.partitioners import HASHES, KEYS_LOOKED_AT, Partitioners, partition_by

RECORDS_LOOKED_AT: Final = 2 * KEYS_LOOKED_AT  # Of each partition.


async def hashes_of(search: LogSearch, stretches: Stretches, partitions: int) -> set[str]:
    """Those that fit the keys at the beginning of these stretches of one topic; none where they
    are too few."""
    sample = Partitioners(partitions)
    few = {
        tp: Stretch(it.start, min(it.end, it.start + RECORDS_LOOKED_AT))
        for tp, it in stretches.items()
    }
    for tp, record in await search.find(few, dict.fromkeys(few, _has_key)):
        sample.look_at_keys(SUBMITTED, tp.partition, [record.key or b""])
    return sample.hashes(SUBMITTED)


async def partition_finder(search: LogSearch, topics: Iterable[str]) -> Callable[[str, bytes], int]:
    """Where each of these topics' producers would put a key; as Java's do where it is not plain."""
    counts = await search.partitions(topics)
    names = {}
    for topic, count in counts.items():
        tps = [TopicPartition(topic, number) for number in range(count)]
        known = await hashes_of(search, await search.stretches(tps, 0, None), count)
        names[topic] = HASHES[0] if len(known) != 1 else known.pop()
    return lambda topic, key: partition_by(names[topic], key, counts[topic])


def _has_key(record: Any) -> bool:
    return record.key is not None
