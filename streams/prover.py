"""The frontier proof at the end of a partition, and the loop that keeps overdue work going.

Owns when the broker is asked for high watermarks: only where a record or a timer waits for a
proof that the grace allows by now, and never again while the last answer is not reached.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from aiokafka import TopicPartition

from schemas.records import RETURNED, SUBMITTED
from streams.charge import Charge
from streams.state.header import StateError

ASK_PAUSE_S: Final = 0.01  # Between two questions.
ASK_AGAIN_MS: Final = 5_000  # Though the last end is not reached: a log may also get shorter.
LOOK_MAX_S: Final = 0.05  # Between looks at what waits.
LOOK_MIN_S: Final = 0.001


class Asked(Protocol):
    """Who answers for the ends of logs."""

    async def high_watermarks(
        self, tps: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, int]: ...


class Prover:
    """Moves the frontiers of silent partitions on."""

    def __init__(self, asked: Asked, *, grace_ms: int, clock: Callable[[], int]) -> None:
        self._asked = asked
        self._grace_ms = grace_ms
        self._clock = clock
        self._ends: dict[TopicPartition, tuple[int, int]] = {}  # And when they were asked for.

    async def run(
        self, charges: Callable[[], Iterable[Charge]], on_worked: Callable[[Charge], None]
    ) -> None:
        """Prove and work for ever; BrokerUnavailable when nobody answers."""
        while True:
            current = list(charges())
            for charge in current:
                if charge.can_go_on(self._clock()):
                    on_worked(charge)
            await self._prove(current, on_worked)
            await asyncio.sleep(self._pause_s(current))

    async def _prove(self, charges: list[Charge], on_worked: Callable[[Charge], None]) -> None:
        waiting = [charge for charge in charges if self._may_be_proven(charge)]
        tps = [tp for charge in waiting for tp in self._unproven(charge)]
        if not tps:
            return
        positions = {tp: at for charge in waiting for tp, at in _positions(charge)}
        asked_ms = self._clock()  # Before asking: what is appended later is later.
        ends = await self._asked.high_watermarks(tps)
        for tp, end in ends.items():
            self._ends[tp] = (end, asked_ms)
            _check_not_beyond(tp, positions[tp], end)
        for charge in waiting:
            for side, tp in enumerate(charge.tps):
                if tp in ends:
                    charge.watch.sequence.prove(side, ends[tp], asked_ms - self._grace_ms)
            on_worked(charge)
        await asyncio.sleep(ASK_PAUSE_S)

    def _may_be_proven(self, charge: Charge) -> bool:
        since_ms = charge.watch.waits_since_ms()
        if since_ms is None or charge.rhythm.holds or not charge.opening:
            return False
        if since_ms + self._grace_ms >= self._clock():
            return False
        return all(
            self._is_worth_asking(charge, side)
            for side in (SUBMITTED, RETURNED)
            if charge.watch.sequence.complete_ms(side) <= since_ms
        )

    def _is_worth_asking(self, charge: Charge, side: int) -> bool:
        end, asked_ms = self._ends.get(charge.tps[side], (0, 0))
        is_reached = charge.watch.sequence.position(side) >= end
        return is_reached or self._clock() - asked_ms >= ASK_AGAIN_MS

    def _unproven(self, charge: Charge) -> list[TopicPartition]:
        since_ms = charge.watch.waits_since_ms() or 0
        sequence = charge.watch.sequence
        return [tp for side, tp in enumerate(charge.tps) if sequence.complete_ms(side) <= since_ms]

    def _pause_s(self, charges: list[Charge]) -> float:
        now_ms = self._clock()
        if any(charge.can_go_on(now_ms) for charge in charges):
            return 0.0
        waits = [charge.watch.waits_since_ms() for charge in charges]
        due_ms = [since + self._grace_ms + 1 for since in waits if since is not None]
        soonest_s = min((due - now_ms for due in due_ms), default=1_000) / 1_000
        return min(max(soonest_s, LOOK_MIN_S), LOOK_MAX_S) if soonest_s > 0 else ASK_PAUSE_S


def _positions(charge: Charge) -> list[tuple[TopicPartition, int]]:
    return [(tp, charge.watch.sequence.position(side)) for side, tp in enumerate(charge.tps)]


def _check_not_beyond(tp: TopicPartition, position: int, end: int) -> None:
    if position > end:
        raise StateError(
            f"{tp.topic} partition {tp.partition} ends at offset {end}, but was read up to "
            f"{position} before: records were lost, or the topic was made anew. Use another "
            "RETURNWATCH_APP_ID for a new topic."
        )
