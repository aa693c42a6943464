"""When an input is fetched: as soon as it has nothing left, but fetches keep a gap between them.

A broker answers a fetch with the first record that comes, and what it costs, here and there, goes
by the partitions it names, not by the records it brings: over many busy partitions nearly all the
time would go into fetches of a few records each. With a gap, the longer the more partitions a fetch
names, more of them share one.

aiokafka fetches nothing of a broker while any partition of it has records left to take, for 0.1 s:
a worker that catches up would take everything and then wait for more.
"""

import asyncio
import time
from typing import Any, Final

from aiokafka.protocol.fetch import FetchRequest

# Encoding a fetch and decoding its answer take 1.15 ms for 256 topic partitions (aiokafka 0.14), so
# that is a twentieth of the time at most: the gap is 26 ms for two topics of 128 partitions, 2 ms
# for two of 8.
GAP_PER_PARTITION_S: Final = 100e-6
GAP_MAX_S: Final = 0.1


def pace_fetches(consumer: Any) -> None:
    """Have a started consumer fetch what has nothing left, whatever else has; its fetches wait for
    their turn, each broker's for itself."""
    # With a core to itself a worker stood idle for a tenth of the time, now for a hundredth.
    consumer._fetcher._prefetch_backoff = 0.0
    client = consumer._client
    send = client.send
    next_s: dict[int, float] = {}

    async def send_in_turn(node_id: int, request: Any, **options: Any) -> Any:
        if isinstance(request, FetchRequest):
            await asyncio.sleep(next_s.get(node_id, 0.0) - time.monotonic())
            next_s[node_id] = time.monotonic() + _gap_s(request)
        return await send(node_id, request, **options)

    client.send = send_in_turn


def _gap_s(request: Any) -> float:
    named = sum(len(partitions) for _, partitions in request.topics)
    return min(named * GAP_PER_PARTITION_S, GAP_MAX_S)
