"""`returnwatch send`: JSON lines from standard input to a topic."""

import asyncio
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from cyclopts import Parameter

from schemas.codec import read_return, read_submission
from schemas.outgoing import Outgoing, outgoing
from schemas.records import Record, Unreadable
from streams.commands.console import complain, err
from streams.commands.lines import Line, NothingToRead, lines
from streams.failures import WrongUse, words
from streams.permissions import tool
from streams.settings import Settings, load_settings
from streams.topic_admin import Topics
from streams.topics import MESSAGE_BYTES, Found, wanted_topics
from streams.transport.log_bounds import BrokerUnavailable

IN_FLIGHT_MAX: Final = 5_000  # Records handed to the producer and not yet confirmed.
RECORD_BYTES_MAX: Final = 1024 * 1024  # As Kafka's producers have it; a topic may take less.
BATCH_BYTES_MAX: Final = 16 * 1024  # The same.
STOP_TIMEOUT_S: Final = 0.5  # Of the producer, once something has failed.

_Check = Callable[[Record], Any]


class WrongTopic(WrongUse):
    """The topic is none of the inputs, so there is no schema to check against."""


def send(
    topic: Annotated[str, Parameter(help="One of the two input topics; with --raw, any.")],
    /,
    *,
    raw: Annotated[bool, Parameter(help="Send lines as they are, unchecked.", negative="")] = False,
) -> int:
    """Send JSON lines from standard input, each keyed with its order_id and partitioned by it.

    A line is sent as soon as it ends. A wrong one is not, but said on standard error; the status is
    then 1. A CloudEvent in structured mode is sent as one, keyed with the order_id of its data.

    Example: echo '{"order_id": "A-1", "submitted_at": "2026-01-31T12:00:00Z"}' |
    returnwatch send order-submitted
    """
    settings = load_settings()
    check = None if raw else _check_for(settings, topic)
    if sys.stdin is None:
        example = f"cat orders.jsonl | returnwatch send {topic}"
        raise NothingToRead(f"Standard input is closed: give lines, for example {example}")
    return asyncio.run(_send(settings, topic, check))


def _check_for(settings: Settings, topic: str) -> _Check:
    checks: dict[str, _Check] = {
        settings.submitted_topic: read_submission,
        settings.returned_topic: read_return,
    }
    if topic not in checks:
        inputs = " or ".join(checks)
        raise WrongTopic(f"There is no schema for {topic}: send to {inputs}, or give --raw.")
    return checks[topic]


async def _send(settings: Settings, topic: str, check: _Check | None) -> int:
    limit_bytes = _limit_bytes(await _find(settings, topic))
    producer = AIOKafkaProducer(
        **settings.kafka_client_options(),
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_request_size=limit_bytes,
        max_batch_size=min(BATCH_BYTES_MAX, limit_bytes),
    )
    sending = _Sending(producer, topic, limit_bytes, check)
    stop_timeout_s = None
    try:
        await producer.start()
        await sending.run(sys.stdin.fileno())
    except BaseException as error:  # Ctrl-C too: what is on its way is not waited for long.
        stop_timeout_s = STOP_TIMEOUT_S
        if isinstance(error, KafkaError):
            raise BrokerUnavailable(f"{topic} does not take records: {words(error)}.") from error
        raise
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(stop_timeout_s):
                await producer.stop()
        err.print(sending.summary(), markup=False)
    return 1 if sending.refused else 0


async def _find(settings: Settings, topic: str) -> Found:
    async with Topics(settings.kafka_client_options()) as topics:
        found = (await topics.find([topic])).get(topic)
    if found is not None and found.is_forbidden:
        raise BrokerUnavailable(f"The broker does not let us see the topic {topic}.")
    if found is None or not found.partitions:
        made_by_us = topic in {wanted.name for wanted in wanted_topics(settings)}
        create = ["--create", "--topic", topic]
        fix = (
            "returnwatch topics create"
            if made_by_us
            else shlex.join([*tool(settings, "kafka-topics.sh"), *create])
        )
        raise BrokerUnavailable(f"The topic {topic} does not exist. Type: {fix}")
    return found


def _limit_bytes(found: Found) -> int:
    """What the topic takes, kept to before sending: a record that the broker refuses would leave a
    gap in the producer's sequence, and it would refuse all after it."""
    return min(RECORD_BYTES_MAX, int((found.configs or {}).get(MESSAGE_BYTES, RECORD_BYTES_MAX)))


@dataclass(slots=True)
class _Sending:
    """Lines on their way to the topic; counts those that were confirmed and those refused."""

    producer: Any
    topic: str
    limit_bytes: int
    check: _Check | None
    sent: int = 0
    refused: int = 0
    _in_flight: set[asyncio.Future[Any]] = field(default_factory=set)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT_MAX))
    _failed: asyncio.Event = field(default_factory=asyncio.Event)
    _failure: BaseException | None = None

    async def run(self, descriptor: int) -> None:
        """To the end of the lines, all confirmed; KafkaError as soon as one is not."""
        reading = asyncio.create_task(self._read(descriptor))
        failing = asyncio.create_task(self._failed.wait())
        try:
            await asyncio.wait({reading, failing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            failing.cancel()
            reading.cancel()
        if self._failure is not None:
            raise self._failure
        await reading

    def summary(self) -> str:
        return f"{self.sent} sent to {self.topic}" + (
            f", {self.refused} refused" if self.refused else ""
        )

    async def _read(self, descriptor: int) -> None:
        async for line in lines(descriptor, bytes_max=self.limit_bytes):
            if line.text is None:
                self._refuse_size(line)
            elif line.text:
                await self._take(line, outgoing(line.text))
        if self._in_flight:
            await asyncio.wait(self._in_flight)

    async def _take(self, line: Line, out: Outgoing) -> None:
        problems = _problems(self.check, out) if self.check else ()
        for problem in problems:
            complain(f"line {line.number}: {problem}")
        if problems:
            self.refused += 1
            return
        await self._room.acquire()
        try:
            record = await self.producer.send(
                self.topic, key=out.key, value=out.value, headers=list(out.headers)
            )
        except MessageSizeTooLargeError:
            self._room.release()
            self._refuse_size(line)
            return
        self._in_flight.add(record)
        record.add_done_callback(self._end)

    def _refuse_size(self, line: Line) -> None:
        self.refused += 1
        complain(
            f"line {line.number}: its {line.size_bytes} bytes are too many, {self.topic} takes "
            f"records of up to {self.limit_bytes} bytes, key and headers included"
        )

    def _end(self, record: asyncio.Future[Any]) -> None:
        self._room.release()
        self._in_flight.discard(record)
        if record.cancelled():
            return
        failure = record.exception()
        if failure is None:
            self.sent += 1
        else:
            self._failure = self._failure or failure
            self._failed.set()


def _problems(check: _Check, out: Outgoing) -> tuple[str, ...]:
    read = check(Record(0, time.time_ns() // 1_000_000, out.key, out.value, out.headers))
    if not isinstance(read, Unreadable):
        return ()
    found = read.problems
    if out.key is None and len(found) > 1:  # It comes from the order_id, which is named itself.
        found = tuple(problem for problem in found if problem.field != "key")
    return tuple(f"{it.field} {it.problem}; right would be {it.hint}" for it in found)
