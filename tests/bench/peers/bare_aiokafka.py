"""The limit: aiokafka reads both topics, looks at nothing and commits how far it is."""

import asyncio
import signal

from aiokafka import AIOKafkaConsumer

from tests.bench.peers.arguments import Arguments

POLL_MS = 200
COMMIT_INTERVAL_MS = 1_000


async def read(arguments: Arguments) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    consumer = AIOKafkaConsumer(
        arguments.submitted,
        arguments.returned,
        bootstrap_servers=arguments.bootstrap,
        group_id=arguments.group,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=COMMIT_INTERVAL_MS,
    )
    await consumer.start()
    told = False
    try:
        while not stopped.is_set():
            if await consumer.getmany(timeout_ms=POLL_MS):
                if not told:
                    print("reading", flush=True)
                    told = True
            elif told:
                await consumer.commit()  # The end: as soon as it is reached.
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(read(Arguments.given()))
