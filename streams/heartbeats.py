"""Heartbeats: every few seconds, each partition number says on `order-stats` how far it sees.

Owns their producer, which is no ledger's: a heartbeat is about what a checkpoint has committed, and
writes nothing into a changelog, so that an idle partition costs a small record and no transaction.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from schemas.stats import HEARTBEAT_S, Heartbeat, encode_stats
from streams.charge import Charge
from streams.failures import words
from streams.prover import Prover
from streams.state.ledger import LOG_APPEND_TIME, Written
from streams.transport.ending import end_soon
from streams.transport.log_bounds import BrokerUnavailable

SEND_TIMEOUT_S: Final = 4.0  # One that takes longer is late; the next says more.
REQUEST_TIMEOUT_MS: Final = 4_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pulse:
    """Where heartbeats go: the topic, of so many partitions."""

    client_options: Mapping[str, Any]
    topic: str
    partitions: int


@dataclass(slots=True)
class Heart:
    """Beats for the charges that are open, until cancelled."""

    pulse: Pulse
    prover: Prover
    charges: Callable[[], Iterable[Charge]]
    on_worked: Callable[[Charge], None]
    _producer: Any = None
    _is_failing: bool = field(default=False)

    async def run(self) -> None:
        """For ever, on every whole multiple of HEARTBEAT_S, so that all partitions beat together;
        raises where the broker does not let us write."""
        try:
            while True:
                await asyncio.sleep(HEARTBEAT_S - time.time() % HEARTBEAT_S)
                await self.beat()
        finally:
            await self._let_go()

    async def beat(self) -> None:
        """Prove what can be proven, have the rows written unless that is far behind, and say how
        far it is."""
        charges = list(self.charges())
        try:
            await self.prover.look_at_idle(charges, self.on_worked)
        except BrokerUnavailable:  # Said by who keeps asking; the frontier stands meanwhile.
            return
        await asyncio.gather(*(charge.settle() for charge in charges))
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._send([charge for charge in charges if not charge.is_dropped])
        except TopicAuthorizationFailedError:
            raise
        except (KafkaError, TimeoutError) as error:
            await self._let_go()  # A producer that failed may have failed for good.
            if not self._is_failing:
                log.warning("heartbeats are not written, trying again", why=words(error))
            self._is_failing = True
        else:
            self._is_failing = False

    async def _send(self, charges: list[Charge]) -> None:
        beats = [beat for charge in charges if (beat := self._of(charge)) is not None]
        if not beats:
            return
        producer = await self._connected()
        sent_s = time.monotonic()
        sent = [
            await producer.send(
                self.pulse.topic,
                key=str(beat.partition).encode(),
                value=encode_stats(beat),
                partition=beat.partition,
            )
            for beat in beats
        ]
        told = (await asyncio.gather(*sent))[-1]
        if told.timestamp_type == LOG_APPEND_TIME:
            # It tells the broker's time as a checkpoint does, which an idle worker writes none of.
            written = Written(told.timestamp, sent_s, time.monotonic())
            charges[-1].rhythm.clock.note(written)

    def _of(self, charge: Charge) -> Heartbeat | None:
        sight = charge.sight()
        if sight.frontier_ms < 0:  # Nothing was read and nothing proven yet.
            return None
        return Heartbeat(
            partition=charge.watch.partition,
            partitions=self.pulse.partitions,
            frontier_ms=sight.frontier_ms,
            complete_s=sight.complete_s,
            sent_at_ms=charge.rhythm.clock.now_ms(),
            held=bool(charge.rhythm.holds),
        )

    async def _connected(self) -> Any:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **self.pulse.client_options,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
            )
            self._producer = producer
            await producer.start()
        return self._producer

    async def _let_go(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await end_soon(producer.stop(), None)
            await producer.client.close()
