"""The agents: hand what was read to the orders' keepers, and to the incidents' office."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import faust

from streams.incidents.office import StatsBatch
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


def watch_incidents(app: faust.App, channel: Any, take: Callable[[StatsBatch], None]) -> None:
    """Have the app `take` what the one owner of incidents sends into a channel of the app's."""

    @app.agent(channel, name="incidents")
    async def incidents(batches: Any) -> None:
        async for batch in batches.noack():
            take(batch)
