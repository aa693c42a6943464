"""The charges of a worker: opened, written side by side, let go.

Owns that a charge has one writer, and that what is let go is closed, whatever is under way.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import structlog

from streams.charge import Charge
from streams.transport.consumer import BatchConsumer

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Roster:
    """Charges by partition number; `on_lost` is told whose checkpoint failed, and how."""

    consumer: Callable[[], BatchConsumer]
    on_lost: Callable[[Charge, Exception], None]
    _charges: dict[int, Charge] = field(default_factory=dict)
    _writers: dict[int, "asyncio.Task[None]"] = field(default_factory=dict)
    _closing: set["asyncio.Task[None]"] = field(default_factory=set)

    def __iter__(self) -> Iterator[Charge]:
        return iter(list(self._charges.values()))

    def __len__(self) -> int:
        return len(self._charges)

    @property
    def partitions(self) -> frozenset[int]:
        """The partition numbers in our care."""
        return frozenset(self._charges)

    def get(self, partition: int) -> Charge | None:
        """The charge of a partition number."""
        return self._charges.get(partition)

    def open_charges(self) -> list[Charge]:
        """Those whose records are being handed over."""
        return [charge for charge in self._charges.values() if charge.opening]

    def add(self, charge: Charge) -> None:
        """Take a charge in; its checkpoints are written from now on."""
        partition = charge.watch.partition
        assert partition not in self._charges, "a partition was taken over twice"
        self._charges[partition] = charge
        self._writers[partition] = asyncio.create_task(self._keep_written(charge))

    async def open(self, charge: Charge) -> None:
        """Have its records handed over, from where it stands."""
        charge.opening = 0
        sequence = charge.watch.sequence
        offsets = {tp: sequence.position(side) for side, tp in enumerate(charge.tps)}
        charge.opening = await self.consumer().open_partitions(offsets)

    def close_all(self) -> None:
        """Drop whatever is still handed over, until each is opened again."""
        for charge in self._charges.values():
            charge.opening = 0

    def drop(self, partition: int) -> None:
        """Let a charge go with all its state; nothing more is written for it."""
        charge = self._charges.pop(partition, None)
        if charge is None:
            return
        charge.opening = 0
        charge.is_dropped = True
        self.consumer().close_partitions(charge.tps)
        writer = self._writers.pop(partition)
        if writer is not asyncio.current_task():
            writer.cancel()
        closing = asyncio.create_task(self._close(charge))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def drop_all(self) -> None:
        """Let every charge go; returns when their connections are closed."""
        for partition in self.partitions:
            self.drop(partition)
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def write_all(self, timeout_s: float) -> None:
        """A checkpoint of every charge; those not written in time are given up."""
        writes = {asyncio.create_task(charge.checkpoint()): charge for charge in self}
        if not writes:
            return
        await asyncio.wait(writes, timeout=timeout_s)
        for write, charge in writes.items():
            write.cancel()
            (outcome,) = await asyncio.gather(write, return_exceptions=True)
            if isinstance(outcome, asyncio.CancelledError):
                partition = charge.watch.partition
                log.warning("last checkpoint took too long, given up", partition=partition)
                self.drop(partition)
            elif isinstance(outcome, Exception):
                self.on_lost(charge, outcome)

    async def _keep_written(self, charge: Charge) -> None:
        try:
            await charge.keep_written()
        except Exception as error:  # Of any kind: nothing of the checkpoint is visible.
            self.on_lost(charge, error)

    async def _close(self, charge: Charge) -> None:
        await charge.ledger.close()
