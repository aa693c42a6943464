"""The network between workers and broker: every await of a worker on Kafka passes through here.

Owns what goes wrong on the way, all of it drawn from one seeded source: delays, requests and
answers that are lost, a broker that is silent, a worker that is killed at that very await.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tests.simulation.clock import PROCESS, Phase, Process, VirtualLoop

_T = TypeVar("_T")

QUICK_S: Final = 0.002
# What a checkpoint and a takeover consist of: there, whatever goes wrong matters most.
CRITICAL: Final = ("send", "commit ", "fence", "restore")
CRITICAL_FACTOR: Final = 3


class NoAnswer(Exception):
    """The request or its answer was lost; whether it was carried out is unknown."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How likely each thing is, for each request."""

    slow: float = 0.0  # To take long, up to `slow_s`.
    slow_s: float = 0.5
    lost: float = 0.0  # To be lost on its way there.
    unanswered: float = 0.0  # To be carried out, and its answer lost.
    deadly: float = 0.0  # To be the worker's last: before it leaves, or after it arrived.
    freezing: float = 0.0  # To find the worker frozen just before, or just after.


CALM: Final = Weather()


class Network:
    """Carries requests; `kill` and `freeze` are what it may do to who asks."""

    def __init__(self, loop: VirtualLoop, rng: random.Random) -> None:
        self.weather = CALM
        self.silent_until_s = 0.0
        self.trace: list[tuple[float, str, str, str]] = []
        self.kill: Callable[[Process], None] = lambda _: None
        self.freeze: Callable[[Process], None] = lambda _: None
        self._loop = loop
        self._rng = rng

    async def ask(self, what: str, carry_out: Callable[[], _T]) -> _T:
        """The broker's answer, or its error; NoAnswer if none comes."""
        process = PROCESS.get()
        assert process is not None
        if process.phase is Phase.SWEPT:
            raise asyncio.CancelledError
        fate = self._fate(what)
        answer: asyncio.Future[_T] = self._loop.create_future()
        if fate == "kill before":
            self.kill(process)
        else:
            delay_s = self._delay_s()
            self._loop.outside(delay_s, self._arrive, (process, what, fate), carry_out, answer)
        if fate == "freeze before":
            self.freeze(process)
        return await answer

    def note(self, who: str, what: str, detail: str = "") -> None:
        """Write a line of the trace."""
        self.trace.append((round(self._loop.now_s, 6), who, what, detail))

    def _arrive(
        self,
        request: tuple[Process, str, str],
        carry_out: Callable[[], Any],
        answer: "asyncio.Future[Any]",
    ) -> None:
        process, what, fate = request
        result: Any = NoAnswer(what)
        if fate != "lost" and self._loop.now_s >= self.silent_until_s:
            try:
                result = carry_out()
            except Exception as error:  # The broker's own no, or a broken simulation.
                result = error
            if fate == "unanswered":
                result = NoAnswer(what)
        self.note(process.name, what, fate or type(result).__name__)
        if fate == "kill after":
            self.kill(process)
        elif fate == "freeze after":
            self.freeze(process)
        back_s = self._delay_s() if self._rng.random() < 0.3 else 0.0
        if isinstance(result, NoAnswer):
            back_s += 0.3
        if back_s:
            self._loop.outside(back_s, _tell, answer, result)
        else:
            _tell(answer, result)

    def _fate(self, what: str) -> str:
        weather = self.weather
        if weather is CALM:
            return ""
        drawn = self._rng.random()
        if what.startswith(CRITICAL):
            drawn /= CRITICAL_FACTOR
        for limit, fates in (
            (weather.lost, ("lost",)),
            (weather.unanswered, ("unanswered",)),
            (weather.deadly, ("kill before", "kill after")),
            (weather.freezing, ("freeze before", "freeze after")),
        ):
            if drawn < limit:
                return self._rng.choice(fates)
            drawn -= limit
        return ""

    def _delay_s(self) -> float:
        weather = self.weather
        if self._rng.random() < weather.slow:
            return self._rng.random() * weather.slow_s
        return self._rng.random() * QUICK_S


def _tell(answer: "asyncio.Future[Any]", result: Any) -> None:
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
