"""Time limits of a process that may stand still, as one does whose machine is suspended.

Owns the moment that such a process gets when it wakes: every limit is over by then, though
whoever was asked may have answered long ago.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

AWAKE_TIMEOUT_S: Final = 10.0  # More, to take in an answer that came meanwhile.
_T = TypeVar("_T")


async def within(limit_s: float, work: Coroutine[Any, Any, _T]) -> _T:
    """What the work gives; TimeoutError where it takes longer than the limit and that moment."""
    task = asyncio.create_task(work)
    try:
        for timeout_s in (limit_s, AWAKE_TIMEOUT_S):
            done, _ = await asyncio.wait({task}, timeout=timeout_s)
            if done:
                return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    raise TimeoutError(f"no answer for {limit_s + AWAKE_TIMEOUT_S:.0f} s")
