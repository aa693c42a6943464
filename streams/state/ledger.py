"""The ledger of one partition: its transactional producer, and checkpoints written with it.

Owns the fence (`transactional.id` = `<app-id>-<partition>`) and that a checkpoint is one
transaction: alerts, dead letters, changelog, the header last. Must not know what is decided.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder

from schemas.records import Record
from streams.core import compiled
from streams.state.awake import within
from streams.state.filled import Filled

BATCH_BYTES: Final = 512 * 1024  # Half of what a broker takes by default (message.max.bytes).
TRANSACTION_TIMEOUT_MS: Final = 30_000
REQUEST_TIMEOUT_MS: Final = 20_000
FENCE_TIMEOUT_S: Final = 40.0  # Beyond a dead owner's open transaction.
WRITE_TIMEOUT_S: Final = 60.0
CLOSE_TIMEOUT_S: Final = 1.5
HEADERS_BYTES: Final = 64 * 1024
GZIP: Final = 1  # Kafka's number for the compression that every build of aiokafka has.
LOG_APPEND_TIME: Final = 1  # Kafka's number for a timestamp that the broker set.


# What a batch is given of a record: timestamp in ms (None: the producer's), key, value, headers.
Row = tuple[int | None, bytes | None, bytes | None, list[tuple[str, bytes]]]


class Fenced(Exception):
    """Another worker owns the partition by now; what was written since is void."""


class LedgerError(Exception):
    """A checkpoint could not be written; nothing of it is visible."""


@dataclass(slots=True)
class Page:
    """One checkpoint: what goes to each topic, in order, and the changelog with the header last.

    `elsewhere`: what goes to (topic, partition) of another partition number than the ledger's."""

    outputs: dict[str, list[Record]] = field(default_factory=dict)
    changelog: compiled.AnyPairs = field(default_factory=list)
    elsewhere: dict[tuple[str, int], list[Record]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """What the broker said of a checkpoint: its time of the changelog's last batch, in ms, or None
    where it is not the broker's; and when, on the monotonic clock, that was asked and answered."""

    log_append_ms: int | None
    sent_s: float
    answered_s: float


class Ledger:
    """Checkpoints of one partition, one at a time."""

    def __init__(
        self,
        client_options: Mapping[str, Any],
        *,
        app_id: str,
        changelog: str,
        partition: int,
        title: str = "",
    ) -> None:
        """`title` stands for the partition in the transactional id, where it is no partition's."""
        self._changelog = changelog
        self._whose = f"the {title}" if title else f"partition {partition}"
        self._partition = partition
        self._producer = AIOKafkaProducer(
            **client_options,
            transactional_id=f"{app_id}-{title or partition}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            max_batch_size=BATCH_BYTES,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
        )

    async def fence(self, may_fence: Callable[[], Awaitable[None]]) -> None:
        """Take the partition: any other holder of the id can write no more, and what it had open
        is aborted. LedgerError if the broker does not do it in time.

        `may_fence` is awaited last of all before each request that fences, connections made and
        the coordinator found; what it raises ends the attempt.
        """
        sender = self._producer._sender
        init_producer_id = sender._do_init_pid

        async def init_if_allowed(node_id: int) -> Any:
            await may_fence()
            return await init_producer_id(node_id)

        sender._do_init_pid = init_if_allowed
        try:
            await within(FENCE_TIMEOUT_S, self._producer.start())
        except (KafkaError, TimeoutError) as error:
            raise LedgerError(
                f"The transactional producer of {self._whose} could not start: "
                f"{_words(error)}. Check that the broker allows transactions "
                "and the transactional id (returnwatch doctor)."
            ) from error

    async def write(self, page: Page) -> Written:
        """Write one checkpoint; on return it is committed. Fenced or LedgerError if it is not."""
        try:
            return await within(WRITE_TIMEOUT_S, self._transaction(page))
        except (KafkaError, IllegalOperation, TimeoutError) as error:
            cause = self._cause_of(error)
            if isinstance(cause, ProducerFenced):
                raise Fenced(f"Another worker owns {self._whose}.") from cause
            raise LedgerError(
                f"A checkpoint of {self._whose} was not written: {_words(cause)}."
            ) from cause

    async def close(self) -> None:
        """Let go of the connections; safe after any failure, and never for long.

        aiokafka's own stop waits for batches that a broker does not take, without a limit.
        """
        stopping = asyncio.create_task(self._producer.stop())
        await asyncio.wait({stopping}, timeout=CLOSE_TIMEOUT_S)
        if not stopping.done():
            stopping.cancel()
            if self._producer._sender._sender_task is not None:
                self._producer._sender._sender_task.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        for left in self._left():
            _note(left)
        await self._producer.client.close()

    async def _transaction(self, page: Page) -> Written:
        await self._producer.begin_transaction()
        sent = [
            await self._send(topic, map(_row_of, records))
            for topic, records in page.outputs.items()
        ]
        for (topic, partition), records in page.elsewhere.items():
            sent.append(await self._send(topic, map(_row_of, records), partition))
        sent_s = time.monotonic()
        sent.append(await self._send_changelog(page.changelog))
        metadata = [await confirmed for group in sent for confirmed in group]
        answered_s = time.monotonic()
        await self._producer.commit_transaction()
        is_brokers = metadata[-1].timestamp_type == LOG_APPEND_TIME
        return Written(metadata[-1].timestamp if is_brokers else None, sent_s, answered_s)

    def _cause_of(self, error: Exception) -> BaseException:
        """aiokafka's sender may have ended, or the transaction failed beside us, for the real
        reason; what a later call says is then only that there is no transaction."""
        sender = self._producer._sender.sender_task
        if sender is not None and sender.done() and not sender.cancelled():
            ended_by: BaseException | None = sender.exception()
            return ended_by or error
        waiter = self._producer._txn_manager._transaction_waiter
        if not isinstance(error, IllegalOperation) or waiter is None or not waiter.done():
            return error
        failed_by: BaseException | None = waiter.exception()
        return failed_by or error

    def _left(self) -> list["asyncio.Future[Any]"]:
        """What aiokafka has left of a transaction that failed, for nobody to wait for."""
        waiter = self._producer._txn_manager._transaction_waiter
        batches = self._producer._message_accumulator._batches.values()
        drained = [batch._drain_waiter for waiting in batches for batch in waiting]
        return drained if waiter is None else [waiter, *drained]

    async def _send_changelog(self, pairs: compiled.AnyPairs) -> list["asyncio.Future[Any]"]:
        if compiled.are_in_one_piece(pairs) and pairs.value_bytes_max <= BATCH_BYTES:
            to = (self._changelog, self._partition)
            batches = pairs.batches(BATCH_BYTES)
            return [await self._submit(Filled(*batch), to) for batch in batches]
        return await self._send(self._changelog, ((None, key, value, []) for key, value in pairs))

    async def _send(
        self, topic: str, rows: Iterable[Row], partition: int | None = None
    ) -> list["asyncio.Future[Any]"]:
        to = (topic, self._partition if partition is None else partition)
        futures: list[asyncio.Future[Any]] = []
        batch = self._producer.create_batch()
        append = batch.append
        for row in rows:
            timestamp, key, value, headers = row
            if value is not None and len(value) > BATCH_BYTES:
                futures.append(await self._submit(self._large(row), to))
            elif append(timestamp=timestamp, key=key, value=value, headers=headers) is None:
                futures.append(await self._submit(batch, to))
                batch = self._producer.create_batch()
                append = batch.append
                _append(batch, row)
        if batch.record_count():
            futures.append(await self._submit(batch, to))
        return futures

    def _large(self, row: Row) -> Any:
        """A batch of one record, compressed: a broker's limit is on what is sent, so what came
        compressed into an input may be too large for the dead letters as it is."""
        batch = BatchBuilder(len(row[2] or b"") + HEADERS_BYTES, GZIP, is_transactional=True)
        _append(batch, row)
        return batch

    async def _submit(self, batch: Any, to: tuple[str, int]) -> "asyncio.Future[Any]":
        batch.close()
        topic, partition = to
        future: asyncio.Future[Any] = await self._producer.send_batch(
            batch, topic, partition=partition
        )
        future.add_done_callback(_note)
        return future


def _row_of(record: Record) -> Row:
    timestamp = None if record.timestamp_ms < 0 else record.timestamp_ms
    return timestamp, record.key, record.value, list(record.headers)


def _append(batch: Any, row: Row) -> None:
    timestamp, key, value, headers = row
    taken = batch.append(timestamp=timestamp, key=key, value=value, headers=headers)
    assert taken is not None, "an empty batch takes any record"


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _note(future: "asyncio.Future[Any]") -> None:
    """One failure is told as the checkpoint's; asyncio would log each that nobody asked for."""
    if future.done() and not future.cancelled():
        future.exception()
