"""The agent: hands what was read to the orders' keepers."""

from collections.abc import Awaitable, Callable
from typing import Any

import faust

from streams.transport.batches import Batch, BatchSchema


def watch_orders(
    app: faust.App, topics: tuple[str, str], take: Callable[[Batch], Awaitable[None]]
) -> None:
    """Have the app read both input topics, submitted and returned, and `take` each batch."""
    inputs = app.topic(*topics, schema=BatchSchema())

    @app.agent(inputs, name="orders")
    async def orders(batches: Any) -> None:
        async for batch in batches.noack():
            await take(batch)
