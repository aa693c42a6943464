"""Ends an aiokafka client within a limit, also where no broker answers.

aiokafka cannot stop a consumer whose broker has gone: closing its fetcher awaits the fetches that
it has just cancelled, and their end ends its own stop, too.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

LEAVE_TIMEOUT_S: Final = 1.5


async def end_soon(stopping: Coroutine[Any, Any, None], consumer: Any) -> None:
    """Await the stop for LEAVE_TIMEOUT_S; where it fails or takes longer, drop the connections."""
    leaving = asyncio.create_task(stopping)
    await asyncio.wait({leaving}, timeout=LEAVE_TIMEOUT_S)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    if (leaving.cancelled() or leaving.exception()) and consumer is not None:
        await consumer._client.close()
