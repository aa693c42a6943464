"""What has to be read for a stretch: where to begin, where the logs end now, what is missing.

Owns the warm-up, the fixed ends, and what retention has made unknowable. Reads no record but the
first ones.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from aiokafka import TopicPartition

from schemas.records import RETURNED, SUBMITTED
from schemas.times import rfc3339
from streams.core.history import History
from streams.core.rules import Policy
from streams.core.sequence import NEVER_MS
from streams.failures import WrongUse
from streams.investigate.stretch import Asked, Limit, Pair, Portion, read_back_ms
from streams.state.header import Header
from streams.transport.log_bounds import BrokerUnavailable, LogBounds
from streams.watch import Duty

FOREVER_MS: Final = 2**62  # After every record timestamp.
ASKED_AT_ONCE_MAX: Final = 8  # Partitions whose plan is made at a time.


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes the plan of each partition number; BrokerUnavailable where nobody answers."""

    bounds: LogBounds
    duty: Duty
    grace_ms: int
    back_ms: int | None = None  # Other than the policy has it.
    # By partition number: a worker that began inside the log knows nothing of what came before.
    known_from_ms: Mapping[int, int] = field(default_factory=dict)
    headers: Mapping[int, Header] = field(default_factory=dict)  # Of a snapshot to go on from.

    @property
    def policy(self) -> Policy:
        """What the verdicts are made by."""
        return self.duty.policy

    async def portions(self, partitions: Iterable[int], stretch: Asked) -> list[Portion]:
        """Of these partition numbers, in their order; the logs' ends are those of now."""
        numbers = list(partitions)
        tps = [tp for number in numbers for tp in self.duty.inputs(number)]
        asked_ms = time.time_ns() // 1_000_000  # Before asking: what is appended later is later.
        ends = await self.bounds.log_ends(tps)
        starts = await self.bounds.log_starts(tps)
        turns = asyncio.Semaphore(ASKED_AT_ONCE_MAX)

        async def plan(number: int) -> Portion:
            async with turns:
                pair = self.duty.inputs(number)
                unknown = [tp for tp in pair if tp not in ends]
                if unknown:
                    raise BrokerUnavailable(
                        f"The leader of {unknown[0]} does not tell where its log ends."
                    )
                logs = _Logs(pair, _pair(starts, pair), _pair(ends, pair), asked_ms)
                return await self._portion(logs, stretch)

        return list(await asyncio.gather(*(plan(number) for number in numbers)))

    async def _portion(self, logs: "_Logs", stretch: Asked) -> Portion:
        partition = logs.tps[SUBMITTED].partition
        from_ms = await self._time_of(stretch.start, logs, default_ms=NEVER_MS)
        to_ms = await self._time_of(stretch.end, logs, default_ms=logs.asked_ms)
        proven_ms = logs.asked_ms - self.grace_ms
        portion = Portion(
            partition,
            starts=logs.starts,
            ends=logs.ends,
            until=await self._until(logs, to_ms),
            proven_ms=proven_ms,
            from_ms=from_ms,
            to_ms=min(to_ms, proven_ms),
        )
        if partition in self.headers:
            return _continued(portion, self.headers[partition], logs)
        known_ms = self.known_from_ms.get(partition, 0)
        if from_ms == NEVER_MS and not known_ms:
            return await self._cut(portion, logs, (True, True))
        back_ms = read_back_ms(self.policy) if self.back_ms is None else self.back_ms
        entered_ms = max(from_ms - back_ms, known_ms, 0)
        found = await self.bounds.offsets_for_time(logs.tps, entered_ms)
        starts = tuple(
            max(min(found[tp], end), start)
            for tp, start, end in zip(logs.tps, logs.starts, logs.ends, strict=True)
        )
        submitted, returned = starts
        is_first = (submitted <= logs.starts[SUBMITTED], returned <= logs.starts[RETURNED])
        is_inside = submitted > 0 or returned > 0
        portion = replace(
            portion,
            starts=(submitted, returned),
            history=History(cut_ms=entered_ms if is_inside else None),
            entered_ms=entered_ms if is_inside else None,
        )
        return await self._cut(portion, logs, is_first)

    async def _cut(self, portion: Portion, logs: "_Logs", is_first: tuple[bool, bool]) -> Portion:
        """What follows where a side is read from its log's start and that is not offset 0."""
        notes: list[str] = []
        cut_ms, gap_until_ms = portion.history.cut_ms, None
        for side, tp in enumerate(logs.tps):
            start = logs.starts[side]
            if start == 0 or not is_first[side]:
                continue
            first_ms = await self._first_ms(tp, start, logs)
            if portion.entered_ms is not None and first_ms <= portion.entered_ms:
                continue
            cut_ms = max(cut_ms or 0, first_ms)
            where = f"{tp.topic} partition {tp.partition} begins at offset {start}"
            if side == RETURNED:
                gap_until_ms = first_ms + 1
                notes.append(
                    f"{where}, {rfc3339(first_ms)}: results that came before are gone, so orders "
                    "submitted until then are not told as timed out."
                )
            else:
                quiet_ms = History(first_ms).quiet_until_ms(self.policy)
                notes.append(
                    f"{where}, {rfc3339(first_ms)}: orders submitted before are unknown, so they "
                    "are not told as timed out or late, and no result before "
                    f"{rfc3339(quiet_ms)} is told as unmatched."
                )
        history = History(cut_ms, gap_until_ms)
        return replace(portion, history=history, notes=(*portion.notes, *notes))

    async def _first_ms(self, tp: TopicPartition, start: int, logs: "_Logs") -> int:
        is_empty = start >= logs.ends[tp.topic == logs.tps[RETURNED].topic]
        first = None if is_empty else await self.bounds.record_from(tp, start)
        return logs.asked_ms if first is None else first.timestamp_ms

    async def _time_of(self, limit: Limit, logs: "_Logs", *, default_ms: int) -> int:
        if not limit.offsets:
            return default_ms if limit.time_ms is None else limit.time_ms
        offsets = limit.offsets[logs.tps[SUBMITTED].partition]
        times_ms = []
        for tp, offset, end in zip(logs.tps, offsets, logs.ends, strict=True):
            record = await self.bounds.record_from(tp, offset) if offset < end else None
            times_ms.append(logs.asked_ms if record is None else record.timestamp_ms)
        return min(times_ms)

    async def _until(self, logs: "_Logs", to_ms: int) -> Pair:
        if to_ms >= logs.asked_ms - self.grace_ms:
            return logs.ends
        found = await self.bounds.offsets_for_time(logs.tps, to_ms)
        submitted, returned = _pair(found, logs.tps)
        return min(submitted, logs.ends[SUBMITTED]), min(returned, logs.ends[RETURNED])


def _continued(portion: Portion, header: Header, logs: "_Logs") -> Portion:
    """Where a snapshot goes on; WrongUse where the stretch begins before, or the log later."""
    if NEVER_MS < portion.from_ms < header.frontier_ms:
        raise WrongUse(
            f"The snapshot has decided partition {portion.partition} up to "
            f"{rfc3339(header.frontier_ms)}: give a --from after that, or an older snapshot."
        )
    submitted, returned = header.progress()
    for tp, side, start, end in zip(
        logs.tps, (submitted, returned), logs.starts, logs.ends, strict=True
    ):
        if not start <= side.next_offset <= end:
            raise WrongUse(
                f"The snapshot goes on at offset {side.next_offset} of {tp.topic} partition "
                f"{tp.partition}, which has offsets {start} to {end}: take a newer one, or leave "
                "--snapshot out."
            )
    return replace(
        portion,
        starts=(submitted.next_offset, returned.next_offset),
        from_ms=max(portion.from_ms, header.frontier_ms),
        to_ms=max(portion.to_ms, header.frontier_ms),
        history=History(header.cut_ms, header.gap_until_ms),
        arrivals_ms=(submitted.arrival_ms, returned.arrival_ms),
        frontier_ms=header.frontier_ms,
    )


@dataclass(frozen=True, slots=True)
class _Logs:
    """Both inputs of a partition number as they are, asked for at `asked_ms`."""

    tps: tuple[TopicPartition, TopicPartition]
    starts: Pair
    ends: Pair
    asked_ms: int


def _pair(found: dict[TopicPartition, int], tps: tuple[TopicPartition, TopicPartition]) -> Pair:
    return found[tps[SUBMITTED]], found[tps[RETURNED]]
