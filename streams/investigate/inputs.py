"""Reads the portions of a stretch from the inputs: no group, committed records, bounded waits."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.times import rfc3339
from streams.failures import words
from streams.investigate.reading import Reading
from streams.transport.log_bounds import BrokerUnavailable
from streams.transport.reader import Fetched, InputReader
from streams.unreachable import unreachable
from streams.watch import Duty

STALL_TIMEOUT_S: Final = 60.0  # Without any progress at all.
TRANSACTION_WAIT_S: Final = 5.0  # For a transaction that holds the end back to be ended.

OnRead = Callable[[int], None]  # How many offsets were read since.


class StretchLost(BrokerUnavailable):
    """Retention removed what was about to be read."""


async def read_portions(
    client_options: Mapping[str, Any], duty: Duty, readings: Sequence[Reading], *, on_read: OnRead
) -> list[str]:
    """Read each to the end of its stretch; what keeps one from getting there, a sentence each.

    BrokerUnavailable where the broker does not let us read, or nothing comes for STALL_TIMEOUT_S.
    """
    reader = InputReader(client_options)
    try:
        await reader.start()
    except KafkaError as error:
        await reader.stop()
        raise await unreachable(client_options) from error
    try:
        return await _Run(reader, duty, readings, on_read=on_read).run()
    except OffsetOutOfRangeError as error:
        raise StretchLost(
            "Retention removed records of the stretch before they were read: begin later."
        ) from error
    except KafkaError as error:
        raise BrokerUnavailable(f"The inputs cannot be read: {words(error)}.") from error
    finally:
        await reader.stop()


class _Run:
    """All portions read at the same time, each side to where its reading is complete."""

    def __init__(
        self, reader: InputReader, duty: Duty, readings: Sequence[Reading], *, on_read: OnRead
    ) -> None:
        self._reader = reader
        self._on_read = on_read
        self._sides: dict[TopicPartition, tuple[Reading, int]] = {}
        for reading in readings:
            for side, tp in enumerate(duty.inputs(reading.portion.partition)):
                self._sides[tp] = (reading, side)
        self._readings = readings
        self._moved_s = time.monotonic()

    async def run(self) -> list[str]:
        self._reader.assign(self._sides)
        starts = {tp: it.portion.starts[side] for tp, (it, side) in self._sides.items()}
        await self._reader.open(starts, 1)
        for reading in self._readings:
            reading.work()
        held: list[str] = []
        while wanted := self._wanted():
            fetched = await self._reader.fetch(wanted)
            if fetched:
                self._take(fetched)
            elif time.monotonic() - self._moved_s > TRANSACTION_WAIT_S:
                held += await self._held_back(wanted)
        return held

    def _wanted(self) -> dict[TopicPartition, int]:
        return {tp: 1 for tp, (reading, side) in self._sides.items() if reading.wants(side)}

    def _take(self, fetched: list[Fetched]) -> None:
        touched: dict[int, Reading] = {}
        for stretch in fetched:
            reading, side = self._sides[stretch.tp]
            reading.feed(side, (stretch.from_offset, stretch.next_offset), stretch.records)
            self._on_read(stretch.next_offset - stretch.from_offset)
            touched[id(reading)] = reading
        for reading in touched.values():
            reading.work()
        self._moved_s = time.monotonic()

    async def _held_back(self, wanted: Mapping[TopicPartition, int]) -> list[str]:
        """Gives up what an open transaction holds back; BrokerUnavailable if nothing does."""
        stable = await self._reader.stable_ends(wanted)
        held = []
        for tp, end in stable.items():
            reading, side = self._sides[tp]
            if not reading.is_done and reading.sequence.position(side) >= end:
                reading.give_up()
                held.append(
                    f"{tp.topic} partition {tp.partition} has an open transaction at offset {end}:"
                    f" verdicts are complete only up to {rfc3339(reading.frontier_ms)}."
                )
        if not held and time.monotonic() - self._moved_s > STALL_TIMEOUT_S:
            names = ", ".join(f"{tp.topic} partition {tp.partition}" for tp in wanted)
            raise BrokerUnavailable(f"Nothing came for {STALL_TIMEOUT_S:.0f} s of {names}.")
        return held
