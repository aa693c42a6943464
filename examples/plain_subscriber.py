"""A subscriber with nothing but aiokafka: handles each alert once.

    KAFKA_BOOTSTRAP_SERVERS=localhost:9092 python -m examples.plain_subscriber

Read committed, so that no alert is seen that a worker took back. Offsets are committed after
the alerts were handled, so none is lost; what is delivered again is known by its `ce_id`, which is
on the disk before the next alert is looked at. One is handled twice only if the process dies
between the two lines of `take` that do it.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError

from examples.seen import Seen


def handle(value: str) -> None:
    """Here goes what has to be done about an alert; its value is JSON."""
    print(value, flush=True)


def take(record: Any, seen: Seen) -> None:
    """Handle the alert of a record unless that was done before."""
    alert_id = dict(record.headers).get("ce_id", b"").decode()
    if not alert_id:
        print(f"no alert at {record.partition}:{record.offset}, passed over", file=sys.stderr)
    elif alert_id not in seen:
        handle(record.value.decode())
        seen.add(alert_id)


async def read(consumer: Any, seen: Seen, stop: asyncio.Event) -> None:
    """Until told to stop."""
    while not stop.is_set():
        fetched = await consumer.getmany(timeout_ms=500)
        for records in fetched.values():
            for record in records:
                take(record, seen)
        if fetched:
            # Moved to another member meanwhile: that one reads them again.
            with contextlib.suppress(CommitFailedError):
                await consumer.commit()


async def main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    consumer = AIOKafkaConsumer(
        os.environ.get("RETURNWATCH_ALERTS_TOPIC", "order-alerts"),
        bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"),
        group_id=os.environ.get("GROUP", "plain-subscriber"),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with consumer:
        await read(consumer, Seen(Path(os.environ.get("SEEN_FILE", "seen.db"))), stop)


if __name__ == "__main__":
    asyncio.run(main())
