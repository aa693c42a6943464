"""Where logs begin and end, asked on connections of their own.

A consumer's own questions wait behind its long-polling fetches, and its ends follow its isolation
level, at most to the high watermark. These fetch nothing; their ends are where the leaders' logs
end: a record has its time when it is appended, but stands above the high watermark until every
replica in sync has it, which is seconds where a broker died or hangs.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Final, Self, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.protocol.offset import OffsetRequest

from schemas.records import Record
from streams.transport.silence import Silence

REQUEST_TIMEOUT_MS: Final = 10_000
# Who asks where a log ends is told the high watermark if it is a consumer (-1), and the end itself
# otherwise; a debugger (-2) is answered by any replica, everybody else by the leader only
# (Kafka's ReplicaManager.fetchOffset). Nothing but the right to describe the topic is asked for.
NO_CONSUMER: Final = -3
QUICK_TIMEOUT_S: Final = 3.0  # For the ends, which are asked for again and again.

Offsets = dict[TopicPartition, int]
_T = TypeVar("_T")


class BrokerUnavailable(Exception):
    """The broker did not answer a question about its logs."""


class LogBounds:
    """Asks for offsets; an async context manager."""

    def __init__(self, client_options: Mapping[str, Any]) -> None:
        self._options = client_options
        self._asker: Any = None
        self._silence = Silence()

    @property
    def silent_s(self) -> float:
        """For how long the broker has not answered."""
        return self._silence.s

    async def __aenter__(self) -> Self:
        self._asker = self._new_consumer()
        _ask_as_no_consumer(self._asker)
        await self._answered(self._asker.start())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._asker.stop()

    async def log_ends(self, tps: Iterable[TopicPartition]) -> Offsets:
        """The offset after the last record, replicated or not, open transactions included.

        Where some leader does not answer, those of the partitions whose leader does.
        """
        wanted = list(tps)
        try:
            return await self._answered(self._asker.end_offsets(wanted), QUICK_TIMEOUT_S)
        except BrokerUnavailable:
            if len(wanted) == 1:
                raise
        questions = (
            self._answered(self._asker.end_offsets([tp]), QUICK_TIMEOUT_S) for tp in wanted
        )
        answers = await asyncio.gather(*questions, return_exceptions=True)
        ends: Offsets = {}
        for answer in answers:
            if isinstance(answer, dict):
                ends |= answer
            elif not isinstance(answer, BrokerUnavailable):
                raise answer
        if not ends:
            raise BrokerUnavailable("No partition's leader tells where its log ends.")
        self._silence.end()
        return ends

    async def log_starts(self, tps: Iterable[TopicPartition]) -> Offsets:
        """The first offset still there."""
        return await self._answered(self._asker.beginning_offsets(list(tps)))

    async def offsets_for_time(self, tps: Iterable[TopicPartition], time_ms: int) -> Offsets:
        """The first offset with a timestamp at or after `time_ms`; the end where there is none."""
        wanted = list(tps)
        found = await self._answered(self._asker.offsets_for_times(dict.fromkeys(wanted, time_ms)))
        ends = await self.log_ends(wanted)
        return {tp: ends[tp] if found.get(tp) is None else found[tp].offset for tp in wanted}

    async def record_from(self, tp: TopicPartition, offset: int) -> Record | None:
        """The first record at or after an offset; None if none comes within the time limit."""
        reader = self._new_consumer()
        await self._answered(reader.start())
        try:
            reader.assign([tp])
            reader.seek(tp, offset)
            found = await self._answered(
                reader.getmany(tp, timeout_ms=REQUEST_TIMEOUT_MS, max_records=1)
            )
        finally:
            await reader.stop()
        for it in found.get(tp, ()):
            return Record(it.offset, it.timestamp, it.key, it.value, it.headers)
        return None

    def _new_consumer(self) -> Any:
        return AIOKafkaConsumer(
            **self._options,
            group_id=None,
            isolation_level="read_uncommitted",
            enable_auto_commit=False,
            auto_offset_reset="none",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )

    async def _answered(
        self, question: Awaitable[_T], timeout_s: float = 2 * REQUEST_TIMEOUT_MS / 1_000
    ) -> _T:
        asked_s = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                answer = await question
        except (KafkaError, TimeoutError) as error:
            self._silence.begin(asked_s, timeout_s)
            why = "no answer in time" if isinstance(error, TimeoutError) else _words(error)
            raise BrokerUnavailable(
                f"The broker did not answer a question about its logs: {why}."
            ) from error
        self._silence.end()
        return answer


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _ask_as_no_consumer(asker: Any) -> None:
    client = asker._client
    send = client.send

    async def send_as_no_consumer(node_id: int, request: Any, **options: Any) -> Any:
        if isinstance(request, OffsetRequest):
            request._replica_id = NO_CONSUMER
        return await send(node_id, request, **options)

    client.send = send_as_no_consumer
