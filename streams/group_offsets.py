"""The consumer group's offsets: for lag tools only, and never read to decide.

Owns how often they are committed, one request for all partitions; what is committed stands in a
checkpoint already.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from streams.charge import Charge
from streams.transport.consumer import BatchConsumer

COMMIT_INTERVAL_S: Final = 1.0


async def keep_committed(
    charges: Callable[[], Iterable[Charge]], consumer: Callable[[], BatchConsumer]
) -> None:
    """Commit what has moved on since the last time, until cancelled."""
    while True:
        await asyncio.sleep(COMMIT_INTERVAL_S)
        moved = {
            charge: offsets
            for charge in charges()
            if (offsets := charge.offsets()) != charge.committed
        }
        together = {tp: at for offsets in moved.values() for tp, at in offsets.items()}
        if together and await consumer().commit_offsets(together):
            for charge, offsets in moved.items():
                charge.committed = offsets
