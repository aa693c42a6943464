"""The agent: hands what was read to the orders' keepers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import faust

from streams.transport.batches import Batch, BatchSchema


def watch_orders(
    app: faust.App, topics: tuple[str, str], take: Callable[[Sequence[Batch]], Awaitable[None]]
) -> None:
    """Have the app read both input topics, submitted and returned; `take` gets what each fetch
    brought."""
    inputs = app.topic(*topics, schema=BatchSchema())

    @app.agent(inputs, name="orders")
    async def orders(fetches: Any) -> None:
        async for batches in fetches.noack():
            await take(batches)
