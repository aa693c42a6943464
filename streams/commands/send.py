"""`returnwatch send`: JSON lines from standard input to a topic."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any, BinaryIO, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from cyclopts import Parameter

from schemas.codec import read_return, read_submission
from schemas.records import Record, Unreadable
from streams.commands.console import complain, err
from streams.settings import Settings, load_settings
from streams.topic_admin import Topics
from streams.transport.watermarks import BrokerUnavailable

IN_FLIGHT_MAX: Final = 5_000  # Records handed to the producer and not yet confirmed.

_Pair = tuple[bytes | None, bytes]


class WrongTopic(Exception):
    """The topic is none of the inputs, so there is no schema to check against."""


def send(
    topic: Annotated[str, Parameter(help="One of the two input topics; with --raw, any.")],
    /,
    *,
    raw: Annotated[bool, Parameter(help="Send lines as they are, unchecked.", negative="")] = False,
) -> int:
    """Send JSON lines from standard input, each keyed with its order_id and partitioned by it.

    A wrong line is not sent and said on standard error; the status is then 1.

    Example: echo '{"order_id": "A-1", "submitted_at": "2026-01-31T12:00:00Z"}' |
    returnwatch send order-submitted
    """
    settings = load_settings()
    check = None if raw else _check_for(settings, topic)
    return asyncio.run(_send(settings, topic, check))


def _check_for(settings: Settings, topic: str) -> Callable[[Record], Any]:
    checks: dict[str, Callable[[Record], Any]] = {
        settings.submitted_topic: read_submission,
        settings.returned_topic: read_return,
    }
    if topic not in checks:
        inputs = " or ".join(checks)
        raise WrongTopic(f"There is no schema for {topic}: send to {inputs}, or give --raw.")
    return checks[topic]


async def _send(settings: Settings, topic: str, check: Callable[[Record], Any] | None) -> int:
    async with Topics(settings.kafka_client_options()) as topics:
        if topic not in await topics.find([topic]):
            raise BrokerUnavailable(
                f"The topic {topic} does not exist. Type: returnwatch topics create"
            )
    producer = AIOKafkaProducer(
        **settings.kafka_client_options(), acks="all", enable_idempotence=True, linger_ms=5
    )
    try:
        await producer.start()
        sent, refused = await _send_lines(producer, topic, check)
    except KafkaError as error:
        raise BrokerUnavailable(f"{topic} does not take records: {error}.") from error
    finally:
        await producer.stop()
    err.print(f"{sent} sent to {topic}" + (f", {refused} refused" if refused else ""))
    return 1 if refused else 0


async def _send_lines(
    producer: Any, topic: str, check: Callable[[Record], Any] | None
) -> tuple[int, int]:
    sent = refused = 0
    confirmed: list[Any] = []
    for number, line in _lines(sys.stdin.buffer):
        key = key_of(line)
        problems = _problems(check, key, line) if check else ()
        for problem in problems:
            complain(f"line {number}: {problem}")
        if problems:
            refused += 1
            continue
        confirmed.append(await producer.send(topic, key=key, value=line))
        sent += 1
        if len(confirmed) >= IN_FLIGHT_MAX:
            await asyncio.gather(*confirmed)
            confirmed.clear()
    await asyncio.gather(*confirmed)
    return sent, refused


def key_of(line: bytes) -> bytes | None:
    """The key of a line's record: its order_id; None if it has none."""
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    order_id = fields.get("order_id") if isinstance(fields, dict) else None
    try:
        return order_id.encode() if isinstance(order_id, str) else None
    except UnicodeEncodeError:
        return None


def _problems(check: Callable[[Record], Any], key: bytes | None, line: bytes) -> tuple[str, ...]:
    read = check(Record(0, time.time_ns() // 1_000_000, key, line, ()))
    if not isinstance(read, Unreadable):
        return ()
    found = read.problems
    if key is None and len(found) > 1:  # The key comes from the order_id, which is named itself.
        found = tuple(problem for problem in found if problem.field != "key")
    return tuple(f"{it.field} {it.problem}; right would be {it.hint}" for it in found)


def _lines(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(source, start=1):
        stripped = line.strip()
        if stripped:
            yield number, stripped
