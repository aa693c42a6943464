"""Traffic at a fixed rate, in a process of its own: open loop, every record has its intended time.

The schedule is made before the first send. Records are sent at their intended millisecond,
whatever the broker or a worker does; a sender that falls behind sends at once what is late, and
what it sends still says when it was meant to be sent. So a stall anywhere counts with all the
records that it delays (no coordinated omission). How long after its intended time a record was
acknowledged is printed at the end.
"""

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import orjson
from aiokafka import AIOKafkaProducer

from tests.bench.load import a_return, order_id, submission
from tests.broker.process import ChildProcess
from tests.broker.records import NewRecord
from tests.broker.topics import Names

START_IN_MS: Final = 1_500  # For the interpreter and the connections.
PLANNED_RECORDS_A_MS: Final = 25  # How fast the schedule is made, on a slow machine.
STOP_TIMEOUT_S: Final = 10.0
FLUSH_TIMEOUT_S: Final = 60.0
LINGER_MS: Final = 1  # Records of the same millisecond may share a request.

Send = tuple[str, NewRecord]


class Traffic(msgspec.Struct, frozen=True):
    """So many records a second for so long; each order's result comes `return_after_ms` later,
    but for one of `lost_every` (0: none is lost, 1: all are)."""

    bootstrap: str
    submitted: str
    returned: str
    per_s: int
    seconds: int
    begin_ms: int
    return_after_ms: int = 1_000
    lost_every: int = 20
    first_number: int = 0

    @property
    def orders(self) -> int:
        lost_share = 1 / self.lost_every if self.lost_every else 0.0
        return int(self.per_s * self.seconds / (2 - lost_share))

    @property
    def end_ms(self) -> int:
        return self.begin_ms + self.seconds * 1_000

    def at_ms(self, index: int) -> int:
        """When an order is meant to be submitted."""
        return self.begin_ms + index * self.seconds * 1_000 // self.orders

    def is_lost(self, index: int) -> bool:
        return bool(self.lost_every) and index % self.lost_every == 0

    def lost(self) -> set[str]:
        """The ids of the orders that never get their result."""
        lost = (index for index in range(self.orders) if self.is_lost(index))
        return {order_id(self.first_number + index) for index in lost}


@dataclass(frozen=True, slots=True)
class Sent:
    """What a sender says at its end."""

    records: int
    late_p99_ms: float  # From the intended time to the broker's acknowledgement.
    late_most_ms: float


def traffic_to(bootstrap: str, names: Names, *, per_s: int, seconds: int, **more: int) -> Traffic:
    """It begins a moment from now, so that its process can have started and made the schedule."""
    start_in_ms = START_IN_MS + per_s * seconds // PLANNED_RECORDS_A_MS
    return Traffic(
        bootstrap,
        names.submitted,
        names.returned,
        per_s=per_s,
        seconds=seconds,
        begin_ms=time.time_ns() // 1_000_000 + start_in_ms,
        **more,
    )


@contextmanager
def sending(traffic: Traffic, folder: Path) -> Iterator[ChildProcess]:
    """Its process, started; ended when the block is left."""
    output = folder / f"traffic-{traffic.begin_ms}.log"
    argument = msgspec.json.encode(traffic).decode()
    command = [sys.executable, "-m", "tests.bench.traffic", argument]
    root = str(Path(__file__).parents[2])
    process = ChildProcess(command, output, env=os.environ | {"PYTHONPATH": root}, cwd=folder)
    try:
        yield process
    finally:
        process.terminate(STOP_TIMEOUT_S)


def sent_by(process: ChildProcess, timeout_s: float) -> Sent:
    """Waits for the sender's end."""
    status = process.wait(timeout_s)
    assert status == 0, f"the sender ended with {status}: {process.text()[-2000:]}"
    return Sent(**orjson.loads(process.text().splitlines()[-1]))


async def send(traffic: Traffic) -> Sent:
    """Sends it all, and waits until all is acknowledged."""
    # One request holds batches of many partitions, as a Java producer's does. librdkafka sends one
    # for each, and the broker of a small machine then has its hands full with those.
    producer = AIOKafkaProducer(bootstrap_servers=traffic.bootstrap, linger_ms=LINGER_MS)
    await producer.start()
    late_ms: list[float] = []
    waiting: set[asyncio.Future[object]] = set()
    try:
        for topic in (traffic.submitted, traffic.returned):
            await producer.partitions_for(topic)  # Else the first send waits for it.
        for due_ms, sends in _schedule(traffic):
            await asyncio.sleep(max(due_ms / 1_000 - time.time(), 0))
            acknowledged = partial(_note, late_ms, waiting, due_ms)
            for topic, (key, value, *_) in sends:
                sent = await producer.send(topic, value, key)
                waiting.add(sent)
                sent.add_done_callback(acknowledged)
        await asyncio.wait_for(producer.flush(), FLUSH_TIMEOUT_S)
        await asyncio.sleep(0)  # For the last callbacks.
    finally:
        await producer.stop()
    assert not waiting, f"{len(waiting)} records were not acknowledged"
    late_ms.sort()
    p99_ms = late_ms[int(len(late_ms) * 0.99)]
    return Sent(len(late_ms), round(p99_ms, 2), round(late_ms[-1], 2))


def _note(
    late_ms: list[float],
    waiting: set["asyncio.Future[object]"],
    due_ms: int,
    sent: "asyncio.Future[object]",
) -> None:
    """A record that was refused stays among the waiting, and fails the whole."""
    if sent.exception() is None:
        waiting.discard(sent)
        late_ms.append(time.time() * 1_000 - due_ms)


def _schedule(traffic: Traffic) -> list[tuple[int, list[Send]]]:
    """What is due in each millisecond, in the order of time. A record's own time will be that of
    its sending; what it tells is the intended one."""
    by_ms: dict[int, list[Send]] = {}
    for index in range(traffic.orders):
        number, at_ms = traffic.first_number + index, traffic.at_ms(index)
        by_ms.setdefault(at_ms, []).append((traffic.submitted, submission(number, at_ms)))
        if not traffic.is_lost(index):
            back_ms = at_ms + traffic.return_after_ms
            answer = a_return(number, back_ms)
            by_ms.setdefault(back_ms, []).append((traffic.returned, answer))
    return sorted(by_ms.items())


if __name__ == "__main__":
    traffic = msgspec.json.decode(sys.argv[1], type=Traffic)
    print(orjson.dumps(asyncio.run(send(traffic))).decode())
