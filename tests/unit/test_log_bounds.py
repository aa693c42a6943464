"""What is said of a broker that does not answer, and for how long it has not."""

from typing import Any

import pytest
from aiokafka.errors import KafkaError, KafkaTimeoutError

from streams.transport.log_bounds import BrokerUnavailable, LogBounds


async def failed(error: Exception) -> None:
    raise error


async def answered() -> int:
    return 7


@pytest.mark.parametrize(
    "error, told",
    [
        (TimeoutError(), r": no answer in time\.$"),
        (KafkaTimeoutError(), r": KafkaTimeoutError\.$"),
        (KafkaError("gone"), "gone"),
    ],
    ids=["silence", "an error without words", "an error with words"],
)
async def test_the_sentence_says_why_there_is_no_answer(error: Any, told: str) -> None:
    with pytest.raises(BrokerUnavailable, match=told):
        await LogBounds({})._answered(failed(error))


async def test_a_broker_is_silent_from_a_question_without_an_answer_to_the_next_answer() -> None:
    log_bounds = LogBounds({})
    before = log_bounds.silent_s
    for _ in range(2):
        with pytest.raises(BrokerUnavailable):
            await log_bounds._answered(failed(TimeoutError()))
    meanwhile = log_bounds.silent_s
    answer = await log_bounds._answered(answered())

    assert before == 0
    assert meanwhile > 0
    assert (answer, log_bounds.silent_s) == (7, 0)
