"""Records out of fetched batches, straight into ours.

aiokafka makes a ConsumerRecord of eleven fields for each record, at 1.4 us; walking its record
batches costs a quarter of that, and leaving the records where they lie, which the compiled core
does, a twentieth. Owns what read_committed means of a batch: aborted and control batches are passed
over, and the position moves on all the same.
"""

import asyncio
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, Final

from aiokafka import TopicPartition, codec
from aiokafka.consumer import fetcher as driver
from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import CorruptRecordException, KafkaError, UnsupportedCodecError
from aiokafka.record.memory_records import MemoryRecords

from schemas.records import Record

try:
    from streams.core.compiled.blocks import Block, CutRecord, batch_size, is_whole
except ImportError:  # There was no compiler.
    IN_PLACE = False
else:
    IN_PLACE = True

# Whether a record is wanted; asked of aiokafka's own, before one of ours is made of it.
Keep = Callable[[Any], bool]

# By Kafka's number for the compression: whether its library is there, and what undoes it.
CODECS: Final = {
    1: (codec.has_gzip, codec.gzip_decode),
    2: (codec.has_snappy, codec.snappy_decode),
    3: (codec.has_lz4, codec.lz4_decode),
    4: (codec.has_zstd, codec.zstd_decode),
}
FORMAT_2: Final = 2  # Of record batches; before it a batch was a message set.


class FetchedBytes(MemoryRecords):
    """The batches of a partition that one fetch brought; aiokafka's keep their bytes to themselves.

    `at` is where the next of them begins."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data
        self.at = 0


driver.MemoryRecords = FetchedBytes  # Its fetchers make one of each partition of an answer.


class UnreadableBatch(KafkaError):
    """A batch that the client cannot take apart; the text says where and what to do."""


async def take_fetched(
    fetcher: Any, wanted: Container[TopicPartition], *, limit: int, timeout_s: float
) -> dict[TopicPartition, Sequence[Record]]:
    """What a consumer's fetcher has of these partitions, at most a batch more than `limit` records,
    waiting for it for `timeout_s`; of one whose position moved over markers only, an empty list.
    Its own `fetched_records`, but for the record objects; raises what that raises."""
    if fetcher._subscriptions.reassignment_in_progress:
        await fetcher._subscriptions.wait_for_assignment()
    taken = _take_ready(fetcher, wanted, limit)
    if taken:
        return taken
    waiter = fetcher._create_fetch_waiter()
    await asyncio.wait([waiter], timeout=timeout_s)
    if not waiter.done():
        waiter.cancel()
        return {}
    waiter.result()  # Raises what the fetches met.
    return _take_ready(fetcher, wanted, limit)


async def search_fetched(
    fetcher: Any, wanted: Mapping[TopicPartition, Keep], *, timeout_s: float
) -> dict[TopicPartition, Sequence[Record]]:
    """Goes through all that a consumer's fetcher has of these partitions, waiting for it for
    `timeout_s`, and gives the records that are to be kept."""
    if not any(tp in wanted for tp in fetcher._records):
        waiter = fetcher._create_fetch_waiter()
        await asyncio.wait([waiter], timeout=timeout_s)
        if not waiter.done():
            waiter.cancel()
            return {}
        waiter.result()
    return _take_ready(fetcher, wanted, sys.maxsize, keeps=wanted)


def _take_ready(
    fetcher: Any,
    wanted: Container[TopicPartition],
    limit: int,
    *,
    keeps: Mapping[TopicPartition, Keep] | None = None,
) -> dict[TopicPartition, Sequence[Record]]:
    taken: dict[TopicPartition, Sequence[Record]] = {}
    for tp, result in list(fetcher._records.items()):
        if tp not in wanted:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        if isinstance(result, FetchError):
            if taken:  # First what there is; the error next time.
                break
            _let_go(fetcher, tp)
            result.check_raise()
        keep = None if keeps is None else keeps[tp]
        records = _take_records(tp, result, limit, keep=keep)
        if _is_used_up(result):
            _let_go(fetcher, tp)
        taken[tp] = records
        limit -= len(records)
        if limit <= 0:
            break
    return taken


def _let_go(fetcher: Any, tp: TopicPartition) -> None:
    """So that the next records of a partition are fetched."""
    del fetcher._records[tp]
    fetcher._notify(fetcher._wait_consume_future)


def _take_records(
    tp: TopicPartition, result: Any, limit: int, *, keep: Keep | None
) -> Sequence[Record]:
    """Whole batches of a fetch result until there are `limit` records or none is left; the
    consumer's position is after them. Nothing if the partition is paused, lost or was sought."""
    if not result.check_assignment(tp) or not result.has_more():
        return []
    found = result._partition_records
    in_place = IN_PLACE and keep is None and isinstance(found._records, FetchedBytes)
    records: Any = Block() if in_place else []
    taken: Sequence[Record] = records
    while len(records) < limit and found._records.has_next():
        batch = found._records.next_batch()
        if found._check_crcs and not _is_whole(batch, found._records, in_place=in_place):
            raise CorruptRecordException(f"invalid checksum in {tp.topic} partition {tp.partition}")
        if not _is_passed_over(found, batch):
            if in_place and batch.magic == FORMAT_2:
                _put(tp, batch, found, block=records)
            else:
                add = records.add_records if in_place else records.extend
                add(_records_of(tp, batch, found.next_fetch_offset, keep=keep))
        if in_place:
            found._records.at += batch_size(found._records.data, found._records.at)
        found.next_fetch_offset = batch.next_offset
    result._update_position()
    return taken


def _is_used_up(result: Any) -> bool:
    """Whether nothing of a fetch result is left to take."""
    return not result.has_more() or not result._partition_records._records.has_next()


def _is_passed_over(found: Any, batch: Any) -> bool:
    """As aiokafka's PartitionRecords does it; its lists of aborted transactions are used."""
    if batch.producer_id is not None:
        found._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and found._contains_abort_marker(batch):
            found._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in found._aborted_producers:
            return True
    return bool(batch.is_control_batch)


def _is_whole(batch: Any, fetched: Any, *, in_place: bool) -> bool:
    whole = is_whole(fetched.data, fetched.at) if in_place else None
    return bool(batch.validate_crc()) if whole is None else whole


def _put(tp: TopicPartition, batch: Any, found: Any, *, block: "Block") -> None:
    """Leave the records of a batch where they lie, but for those before the position."""
    fetched = found._records
    try:
        block.add_batch(fetched.data, fetched.at, found.next_fetch_offset, _decompressed)
    except UnicodeDecodeError as error:
        raise _unreadable(tp, batch) from error
    except CutRecord as error:
        raise CorruptRecordException(
            f"a record is cut in {tp.topic} partition {tp.partition} between offsets "
            f"{batch.base_offset} and {batch.next_offset - 1}"
        ) from error


def _decompressed(kind: int, records: bytes) -> bytes:
    is_there, undo = CODECS.get(kind, (lambda: False, bytes))
    if not is_there():
        raise UnsupportedCodecError(f"Libraries for compression codec {kind} not found")
    return bytes(undo(records))


def _records_of(
    tp: TopicPartition, batch: Any, from_offset: int, *, keep: Keep | None
) -> list[Record]:
    try:
        kept = batch if keep is None else filter(keep, batch)
        records = [Record(it.offset, it.timestamp, it.key, it.value, it.headers) for it in kept]
    except UnicodeDecodeError as error:
        raise _unreadable(tp, batch) from error
    if records and records[0].offset < from_offset:  # A batch that we were sought into.
        return [record for record in records if record.offset >= from_offset]
    return records


def _unreadable(tp: TopicPartition, batch: Any) -> UnreadableBatch:
    return UnreadableBatch(
        f"{tp.topic} partition {tp.partition} has a record between offsets {batch.base_offset} "
        f"and {batch.next_offset - 1} with a header whose name is not UTF-8, which the client "
        "cannot read. Mend the producer, delete the records up to there "
        "(kafka-delete-records.sh) and type: returnwatch worker --accept-gap"
    )
