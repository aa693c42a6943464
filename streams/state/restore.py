"""Restore: a partition's changelog read to its end.

The end is the position, never the last record seen: a changelog may end in a transaction marker.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.records import Record
from streams.state.awake import within
from streams.state.changelog import State
from streams.state.header import StateError
from streams.transport.unpacking import take_fetched

STALL_TIMEOUT_S: Final = 60.0  # Without any progress at all.
FETCH_BYTES: Final = 4 * 1024 * 1024
POLL_S: Final = 0.1
RECORDS_MAX: Final = 5_000  # Taken in at once.

OnProgress = Callable[[int, int], None]  # (offset read to, end offset)


class Restored(Protocol):
    """What is put together from a changelog."""

    def take_all(self, records: Iterable[Record]) -> None: ...


class RestoreStalled(Exception):
    """The changelog could not be read to its end in time."""


async def restore(
    client_options: Mapping[str, Any],
    changelog: TopicPartition,
    *,
    end_offset: int,
    on_progress: OnProgress,
) -> State:
    """The state in a changelog partition up to `end_offset`, where its log ended after the fence,
    or where what was committed ended: there no checkpoint is half read. Nothing is written.

    StateError if the log is not what it says to be; RestoreStalled if it cannot be read.
    """
    state = State()
    await restore_into(state, client_options, changelog, end_offset=end_offset, note=on_progress)
    return state


async def restore_into(
    state: Restored,
    client_options: Mapping[str, Any],
    changelog: TopicPartition,
    *,
    end_offset: int,
    note: OnProgress,
) -> None:
    """The same for any state; raises the same."""
    if end_offset == 0:
        return
    consumer = AIOKafkaConsumer(
        **client_options,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    try:
        await consumer.start()
        consumer.assign([changelog])
        start = (await consumer.beginning_offsets([changelog]))[changelog]
        consumer.seek(changelog, start)
        position = start
        while position < end_offset:
            portion = _read_on(consumer, changelog, state, end_offset=end_offset)
            position = await within(STALL_TIMEOUT_S, portion)
            note(position, end_offset)
    except OffsetOutOfRangeError as error:
        raise StateError(
            f"The changelog {changelog.topic} lost records while it was read: check that its "
            "cleanup.policy is compact, without delete."
        ) from error
    except (KafkaError, TimeoutError) as error:
        raise RestoreStalled(
            f"The changelog {changelog.topic} partition {changelog.partition} could not be read: "
            f"{str(error) or 'no answer in time'}."
        ) from error
    finally:
        await consumer.stop()


async def _read_on(
    consumer: Any, changelog: TopicPartition, state: Restored, *, end_offset: int
) -> int:
    """Takes in what comes next before `end_offset`, which may be markers only; the position
    after it, which may be beyond the end."""
    before: int = await consumer.position(changelog)
    position = before
    while position == before:
        fetcher = consumer._fetcher
        with fetcher._subscriptions.fetch_context():
            taken = await take_fetched(fetcher, {changelog}, limit=RECORDS_MAX, timeout_s=POLL_S)
        records = taken.get(changelog, [])
        if records and records[-1].offset >= end_offset:  # Of a worker that goes on writing.
            records = [record for record in records if record.offset < end_offset]
        state.take_all(records)
        await asyncio.sleep(0)  # Heartbeats of the group are another thread's, the web is ours.
        position = await consumer.position(changelog)
    return position
