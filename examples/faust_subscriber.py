"""A subscriber with Faust: handles each alert once.

    KAFKA_BOOTSTRAP_SERVERS=localhost:9092 python -m examples.faust_subscriber

Stock Faust reads uncommitted, and acknowledges a message whose agent failed; the lines about
`read_committed` and `noack` are against that. What was handled is in a file, as in the plain
subscriber, and not in a Faust table, in which an id would stay for ever.
"""

import os
from pathlib import Path
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver

from examples.plain_subscriber import take
from examples.seen import Seen


class CommittedThread(driver.AIOKafkaConsumerThread):
    """Sees no alert that a worker took back."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return consumer


class CommittedConsumer(driver.Consumer):
    """A consumer with that thread."""

    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(driver.Transport):
    """A transport with that consumer."""

    Consumer = CommittedConsumer


class App(faust.App):
    """An app with that transport."""

    def _new_transport(self) -> CommittedTransport:
        return CommittedTransport(self.conf.broker_consumer, self)


servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092").split(",")
app = App(
    os.environ.get("GROUP", "faust-subscriber"),
    broker=";".join(f"kafka://{server}" for server in servers),
    store="memory://",
    web_enabled=False,
    topic_disable_leader=True,
    topic_allow_declare=False,
)
alerts = app.topic(
    os.environ.get("RETURNWATCH_ALERTS_TOPIC", "order-alerts"),
    key_serializer="raw",
    value_serializer="raw",
)
seen_file = Path(os.environ.get("SEEN_FILE", "seen.db"))


@app.agent(alerts)
async def subscribe(stream: Any) -> None:
    seen = Seen(seen_file)
    async for event in stream.noack().events():
        take(event.message, seen)
        event.ack()


if __name__ == "__main__":
    faust.Worker(app, loglevel="WARNING", redirect_stdouts=False).execute_from_commandline()
