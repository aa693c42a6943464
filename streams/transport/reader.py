"""The inputs' records, fetched in the worker's own loop by stretches without a break.

A consumer without a group: which partitions it has is the group member's to say, who sits in a
thread of its own and fetches nothing. Fetching beside the work, in one loop, costs no hand-over
between two threads that want the same interpreter. Owns the next offset of each partition.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, NoOffsetForPartitionError

from schemas.records import Record
from streams.transport.ending import end_soon
from streams.transport.pacing import pace_fetches
from streams.transport.unpacking import take_fetched

FETCH_RECORDS_MAX: Final = 5_000  # Handed over at once, over all partitions.
FETCH_WAIT_S: Final = 0.1  # After that, what is wanted is asked anew.
PARTITION_FETCH_BYTES: Final = 1024 * 1024
# One fetch a broker is under way at a time, so a record may wait so long behind a silent one: with
# 500 ms the p99 delay of a verdict at 2,000 records/s was 36 ms, with 100 ms it was 25 ms
# (python -m tests.bench.throughput --only delay --seconds 15).
FETCH_MAX_WAIT_MS: Final = 100
REQUEST_TIMEOUT_MS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Fetched:
    """Where the position went for one topic partition, and the records on the way."""

    tp: TopicPartition
    from_offset: int
    next_offset: int
    records: Sequence[Record]
    opening: int


@dataclass(slots=True)
class _Cursor:
    next_offset: int
    opening: int


class InputReader:
    """Reads committed records of the partitions that were assigned and opened."""

    def __init__(
        self, client_options: Mapping[str, Any], *, fetch_max_wait_ms: int = FETCH_MAX_WAIT_MS
    ) -> None:
        self._cursors: dict[TopicPartition, _Cursor] = {}
        self._consumer: Any = AIOKafkaConsumer(
            **client_options,
            group_id=None,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            fetch_max_wait_ms=fetch_max_wait_ms,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )

    async def start(self) -> None:
        """Connect; KafkaError where no broker answers."""
        await self._consumer.start()
        pace_fetches(self._consumer)

    async def stop(self) -> None:
        """Let go of the connections."""
        await end_soon(self._consumer.stop(), self._consumer)

    def assign(self, tps: Iterable[TopicPartition]) -> None:
        """Have these partitions from now on, none of them open; what was fetched is dropped."""
        wanted = list(tps)
        self._cursors.clear()
        if not wanted:
            self._consumer.unsubscribe()
            return
        self._consumer.assign(wanted)
        self._consumer.pause(*wanted)

    async def open(self, offsets: Mapping[TopicPartition, int], opening: int) -> None:
        """Fetch on from these offsets; partitions not assigned any more are left out."""
        for tp, offset in offsets.items():
            if tp in self._consumer.assignment():
                self._consumer.seek(tp, offset)
                self._consumer.resume(tp)
                self._cursors[tp] = _Cursor(offset, opening)

    async def fetch(self, wanted: Mapping[TopicPartition, int]) -> list[Fetched]:
        """What came next of the wanted partitions, each of this opening, within FETCH_WAIT_S."""
        fetcher = self._consumer._fetcher
        if self._consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        if fetcher._fetch_task.done():  # aiokafka would fetch nothing and say nothing.
            fetcher._fetch_task.result()
            raise ConsumerStoppedError
        try:
            with fetcher._subscriptions.fetch_context():
                found = await take_fetched(
                    fetcher, wanted, limit=FETCH_RECORDS_MAX, timeout_s=FETCH_WAIT_S
                )
        except NoOffsetForPartitionError:  # Committed offsets decide nothing: `open` seeks.
            return []
        fetched = (self._stretch(tp, wanted[tp], records) for tp, records in found.items())
        return [stretch for stretch in fetched if stretch is not None]

    async def stable_ends(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Up to where records can be read for now: an open transaction holds back what follows."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(list(tps))
        return ends

    def _stretch(
        self, tp: TopicPartition, opening: int, records: Sequence[Record]
    ) -> Fetched | None:
        cursor = self._cursors.get(tp)
        if cursor is None:
            return None
        if cursor.opening != opening:
            # It was opened again while this fetch was under way, and some of what comes next may
            # be in it: go back to where that opening begins, or it would be passed over.
            self._consumer.seek(tp, cursor.next_offset)
            return None
        from_offset = cursor.next_offset
        assert not records or records[0].offset >= from_offset, "an offset went backwards"
        position = self._position(tp) or from_offset
        cursor.next_offset = max(position, records[-1].offset + 1) if records else position
        if cursor.next_offset <= from_offset:
            return None
        return Fetched(tp, from_offset, cursor.next_offset, records, opening)

    def _position(self, tp: TopicPartition) -> int | None:
        subscription = self._consumer._subscription.subscription
        if subscription is None or tp not in subscription.assignment.tps:
            return None
        state = subscription.assignment.state_value(tp)
        return state.position if state.has_valid_position else None
