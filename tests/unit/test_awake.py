"""Time limits, and processes that stand still."""

import asyncio
import time

import pytest

from streams.state import awake
from streams.state.awake import within


async def _answered_meanwhile() -> str:
    answer = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, answer.set_result, "it")
    time.sleep(0.2)  # noqa: ASYNC251 - The process stands still.
    return await answer


async def _never(ended: list[str]) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        ended.append("it")


async def test_an_answer_that_came_while_the_process_stood_still_is_taken_in() -> None:
    assert await within(0.1, _answered_meanwhile()) == "it"


async def test_what_takes_longer_is_cancelled_and_told_with_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(awake, "AWAKE_TIMEOUT_S", 0.02)
    ended: list[str] = []
    with pytest.raises(TimeoutError, match="no answer for 0 s"):
        await within(0.01, _never(ended))

    assert ended == ["it"]


async def test_who_is_cancelled_cancels_the_work() -> None:
    ended: list[str] = []
    waiting = asyncio.create_task(within(60.0, _never(ended)))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait({waiting})

    assert waiting.cancelled()
    assert ended == ["it"]


async def test_an_error_of_the_work_is_raised_as_it_is() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await within(60.0, fails())
