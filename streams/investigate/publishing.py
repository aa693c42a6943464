"""Alerts of a replay to a topic of their own, marked as such."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.alerts import Alert, alert_headers
from streams.failures import words
from streams.investigate.spool import Row
from streams.transport.log_bounds import BrokerUnavailable

IN_FLIGHT_MAX: Final = 2_000  # Records handed to the producer and not yet confirmed.
STOP_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Publication:
    """Where alerts go, and what each of them says of its origin besides."""

    topic: str
    source: str  # Of the CloudEvent.
    marks: tuple[tuple[str, bytes], ...]


async def publish(
    client_options: Mapping[str, Any], publication: Publication, rows: Iterable[Row]
) -> int:
    """Write alerts, each to the partition number of its cause; how many were confirmed.

    BrokerUnavailable for the first that the topic does not take."""
    producer = AIOKafkaProducer(**client_options, acks="all", enable_idempotence=True, linger_ms=5)
    sent = 0
    try:
        await producer.start()
        waiting: list[asyncio.Future[Any]] = []
        for row in rows:
            waiting.append(await _send(producer, publication, row))
            if len(waiting) >= IN_FLIGHT_MAX:
                sent += len(await asyncio.gather(*waiting))
                waiting.clear()
        sent += len(await asyncio.gather(*waiting))
    except KafkaError as error:
        raise BrokerUnavailable(
            f"{publication.topic} does not take records: {words(error)}."
        ) from error
    finally:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await producer.stop()
    return sent


async def _send(producer: Any, publication: Publication, row: Row) -> asyncio.Future[Any]:
    value = orjson.loads(row.value)
    order_id = value["order_id"]
    alert = Alert(value["type"], order_id, row.effect_ms, value, row.traceparent)
    confirmed: asyncio.Future[Any] = await producer.send(
        publication.topic,
        key=order_id.encode(),
        value=row.value,
        headers=[*alert_headers(alert, publication.source), *publication.marks],
        partition=row.partition,
    )
    return confirmed
