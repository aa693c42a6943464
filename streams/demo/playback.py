"""A simulated history played to the input topics, each record at its time."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.demo.simulator import History, records
from streams.failures import words
from streams.transport.log_bounds import BrokerUnavailable

IN_FLIGHT_MAX: Final = 2_000


async def play(
    history: History, topics: tuple[str, str], *, client_options: Mapping[str, Any]
) -> int:
    """Send all of it, submitted and returned; how far the sending fell behind at most, in ms.

    BrokerUnavailable where the topics take nothing."""
    producer: Any = AIOKafkaProducer(**client_options, acks="all", linger_ms=5)
    slip_ms = 0
    try:
        await producer.start()
        in_flight: list[Any] = []
        for record in records(history):
            ahead_ms = record.at_ms - time.time_ns() // 1_000_000
            slip_ms = max(slip_ms, -ahead_ms)
            if ahead_ms > 0:
                await asyncio.sleep(ahead_ms / 1_000)
            topic = topics[record.side]
            in_flight.append(await producer.send(topic, key=record.key, value=record.value))
            if len(in_flight) >= IN_FLIGHT_MAX:
                await asyncio.gather(*in_flight)
                in_flight.clear()
        await asyncio.gather(*in_flight)
    except KafkaError as error:
        raise BrokerUnavailable(f"The topics do not take records: {words(error)}.") from error
    finally:
        await producer.stop()
    return slip_ms
