"""The frontier proof at the end of a partition, and the loop that keeps overdue work going.

Owns when the broker is asked where its logs end: only where a record or a timer waits for a
proof that the grace allows by now, and never again while the last answer is not reached. While the
worker's clock is in doubt, nothing is asked, and a checkpoint is asked for that tells the time.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from aiokafka import TopicPartition

from schemas.records import RETURNED, SUBMITTED
from streams.charge import Charge
from streams.clock import WorkerClock
from streams.state.header import StateError

ASK_PAUSE_S: Final = 0.01  # Between two questions.
ASK_AGAIN_MS: Final = 5_000  # Though the last end is not reached: a log may also get shorter.
PROBE_PAUSE_S: Final = 1.0  # Between two questions about the broker's time.
LOOK_MAX_S: Final = 0.05  # Between looks at what waits.
LOOK_MIN_S: Final = 0.001


class Asked(Protocol):
    """Who answers for the ends of logs."""

    async def log_ends(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]: ...


class Prover:
    """Moves the frontiers of silent partitions on."""

    def __init__(self, asked: Asked, *, grace_ms: int, clock: WorkerClock) -> None:
        self._asked = asked
        self._grace_ms = grace_ms
        self._clock = clock
        self._next_probe_s = 0.0
        self._ends: dict[TopicPartition, tuple[int, int]] = {}  # And when they were asked for.

    async def run(
        self, charges: Callable[[], Iterable[Charge]], on_worked: Callable[[Charge], None]
    ) -> None:
        """Prove and work for ever; BrokerUnavailable when nobody answers."""
        pause_s = 0.0
        while True:
            await asyncio.sleep(pause_s)
            pause_s = await self.look(list(charges()), on_worked)

    async def look(self, charges: list[Charge], on_worked: Callable[[Charge], None]) -> float:
        """Prove and work what can be now; how long to wait before the next look, in s."""
        now_ms = self._clock.now_ms()
        going_on = [charge for charge in charges if charge.can_go_on(now_ms)]
        for charge in going_on:
            on_worked(charge)
        if self._clock.doubt() is not None:
            self._probe(charges)
        waits = list(_waits_of(charges))
        if await self._prove(waits, on_worked):
            return ASK_PAUSE_S
        now_ms = self._clock.now_ms()
        if any(charge.can_go_on(now_ms) for charge in going_on):
            return 0.0
        return self._pause_s(min((wait.since_ms for wait in waits), default=None), now_ms)

    async def _prove(self, waits: list["_Wait"], on_worked: Callable[[Charge], None]) -> bool:
        """Whether there was something to ask."""
        now_ms = self._clock.now_ms()
        waiting = [wait for wait in waits if self._may_be_proven(wait, now_ms)]
        tps = [tp for wait in waiting for tp in _unproven(wait)]
        if not tps:
            return False
        await self._ask([wait.charge for wait in waiting], tps, on_worked=on_worked)
        return True

    async def look_at_idle(
        self, charges: Iterable[Charge], on_worked: Callable[[Charge], None]
    ) -> None:
        """Move the frontiers of those on that nothing waits for: so far nothing is overdue there.
        BrokerUnavailable where nobody answers."""
        idle = [charge for charge in charges if charge.opening and not charge.rhythm.holds]
        tps = [tp for charge in idle for tp in charge.tps]
        if tps:
            await self._ask(idle, tps, on_worked=on_worked)

    async def _ask(
        self,
        waiting: list[Charge],
        tps: list[TopicPartition],
        *,
        on_worked: Callable[[Charge], None],
    ) -> None:
        asked_ms = self._clock.proof_ms()  # Before asking: what is appended later is later.
        if asked_ms is None:
            self._probe(waiting)
            return
        positions = {tp: at for charge in waiting for tp, at in _positions(charge)}
        ends = await self._asked.log_ends(tps)
        for tp, end in ends.items():
            self._ends[tp] = (end, asked_ms)
            _check_not_beyond(tp, positions[tp], end)
        for charge in waiting:
            for side, tp in enumerate(charge.tps):
                if tp in ends:
                    charge.watch.sequence.prove(side, ends[tp], asked_ms - self._grace_ms)
            on_worked(charge)

    def _probe(self, charges: list[Charge]) -> None:
        """Have one checkpoint written, because its answer tells the broker's time."""
        now_s = time.monotonic()
        if charges and now_s >= self._next_probe_s:
            self._next_probe_s = now_s + PROBE_PAUSE_S
            charges[0].probe()

    def _may_be_proven(self, wait: "_Wait", now_ms: int) -> bool:
        charge = wait.charge
        if wait.since_ms + self._grace_ms >= now_ms or charge.rhythm.holds or not charge.opening:
            return False
        return all(
            self._is_worth_asking(charge, side, now_ms)
            for side in (SUBMITTED, RETURNED)
            if charge.watch.sequence.complete_ms(side) <= wait.since_ms
        )

    def _is_worth_asking(self, charge: Charge, side: int, now_ms: int) -> bool:
        end, asked_ms = self._ends.get(charge.tps[side], (0, 0))
        is_reached = charge.watch.sequence.position(side) >= end
        return is_reached or now_ms - asked_ms >= ASK_AGAIN_MS

    def _pause_s(self, first_ms: int | None, now_ms: int) -> float:
        """Until what has waited longest may be asked for; if it may, until that is worth it."""
        if first_ms is None:
            return LOOK_MAX_S
        soonest_s = (first_ms + self._grace_ms + 1 - now_ms) / 1_000
        return min(max(soonest_s, LOOK_MIN_S), LOOK_MAX_S) if soonest_s > 0 else ASK_PAUSE_S


@dataclass(frozen=True, slots=True)
class _Wait:
    """A partition that has something to decide, and the time that has to be complete before."""

    charge: Charge
    since_ms: int


def _waits_of(charges: Iterable[Charge]) -> Iterator[_Wait]:
    for charge in charges:
        since_ms = charge.watch.waits_since_ms()
        if since_ms is not None:
            yield _Wait(charge, since_ms)


def _unproven(wait: _Wait) -> list[TopicPartition]:
    charge, sequence = wait.charge, wait.charge.watch.sequence
    return [tp for side, tp in enumerate(charge.tps) if sequence.complete_ms(side) <= wait.since_ms]


def _positions(charge: Charge) -> list[tuple[TopicPartition, int]]:
    return [(tp, charge.watch.sequence.position(side)) for side, tp in enumerate(charge.tps)]


def _check_not_beyond(tp: TopicPartition, position: int, end: int) -> None:
    if position > end:
        raise StateError(
            f"{tp.topic} partition {tp.partition} ends at offset {end}, but was read up to "
            f"{position} before: records were lost, or the topic was made anew. Use another "
            "RETURNWATCH_APP_ID for a new topic."
        )
