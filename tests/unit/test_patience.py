"""A broker that does not answer is asked again, for as long as it may be silent."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from streams import patience
from streams.patience import keep_asking
from streams.transport.log_bounds import BrokerUnavailable
from streams.transport.silence import Silence


class Asked:
    """A broker that is silent for so many questions, and then ends the test."""

    def __init__(self, silent_for: int) -> None:
        self.questions = 0
        self._silent_for = silent_for

    async def __call__(self) -> None:
        self.questions += 1
        if self.questions > self._silent_for:
            raise KeyError("it answers")
        raise BrokerUnavailable("no answer in time")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "RETRY_S", 0)


async def test_it_is_asked_until_it_answers_and_that_is_said_once() -> None:
    asked = Asked(5)

    with capture_logs() as lines, pytest.raises(KeyError):
        await keep_asking(asked, lambda: 3.0, limit_s=10)

    assert asked.questions == 6
    assert [line["event"] for line in lines] == ["the broker does not answer, asking again"]


async def test_a_silence_that_is_too_long_ends_it_with_what_to_do() -> None:
    silences = iter([3.0, 11.0])

    with pytest.raises(BrokerUnavailable, match=r"not answered for 11 s: check KAFKA_BOOT.*again"):
        await keep_asking(Asked(5), lambda: next(silences), limit_s=10)


def test_a_silence_lasts_from_its_first_question_to_the_next_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now: dict[str, Any] = {"s": 100.0}
    monkeypatch.setattr("streams.transport.silence.time.monotonic", lambda: now["s"])
    silence = Silence()
    before = silence.s
    silence.begin(asked_s=97.0, limit_s=5)
    now["s"] = 110.0
    silence.begin(asked_s=109.0, limit_s=5)
    meanwhile = silence.s
    silence.end()

    assert (before, meanwhile, silence.s) == (0, 13, 0)


def test_a_process_that_did_not_run_is_no_silence_of_the_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.transport.silence.time.monotonic", lambda: 1_000.0)
    silence = Silence()

    silence.begin(asked_s=10.0, limit_s=5)

    assert silence.s == 5
