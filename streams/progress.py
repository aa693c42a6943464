"""Long work in the log: a line in a while as partitions are restored, or worked up to the edge.

Says nothing while the worker is at the edge. Asks the broker only while it is behind.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from streams.charge import Charge
from streams.prover import Asked
from streams.takeover import RestoreProgress
from streams.transport.log_bounds import BrokerUnavailable

EVERY_S: Final = 5.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Reporter:
    """Looks at a worker's partitions every EVERY_S; `charges` gives those that are open."""

    charges: Callable[[], list[Charge]]
    restores: Mapping[int, RestoreProgress]
    asked: Asked
    now_ms: Callable[[], int]
    _records: int = 0  # Read up to the last look.
    _looked_s: float = field(default_factory=time.monotonic)
    _was_behind: bool = False

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Say what there is to say now."""
        for partition, progress in sorted(self.restores.items()):
            if progress.end:
                log.info(
                    "restoring", partition=partition, read_to=progress.read_to, end=progress.end
                )
        charges = self.charges()
        records_per_s = self._rate(charges)
        behind = [charge for charge in charges if self._is_behind(charge)]
        if behind:
            await self._say_behind(behind, records_per_s)
        elif self._was_behind and not any(charge.rhythm.holds for charge in charges):
            log.info("caught up")
        self._was_behind = bool(behind)

    def _is_behind(self, charge: Charge) -> bool:
        """A hold is said by who put it, and everything waits for it."""
        return not charge.rhythm.holds and charge.late_ms(self.now_ms()) > charge.rhythm.edge_ms

    async def _say_behind(self, behind: list[Charge], records_per_s: int) -> None:
        try:
            lags = await self._lags(behind)
        except BrokerUnavailable:  # Said by who keeps asking.
            return
        late_ms = max(charge.late_ms(self.now_ms()) for charge in behind)
        log.info(
            "catching up",
            partitions=len(behind),
            lag_records=lags,
            records_per_s=records_per_s,
            behind_s=round(late_ms / 1_000, 1),
        )

    async def _lags(self, behind: Iterable[Charge]) -> dict[str, int]:
        """Records that are not read yet, by topic; without those whose leader does not answer."""
        positions = {
            tp: charge.watch.sequence.position(side)
            for charge in behind
            for side, tp in enumerate(charge.tps)
        }
        lags: Counter[str] = Counter()
        for tp, end in (await self.asked.log_ends(positions)).items():
            lags[tp.topic] += max(end - positions[tp], 0)
        return dict(lags)

    def _rate(self, charges: Iterable[Charge]) -> int:
        """Records read a second since the last look; of partitions that moved on, none."""
        now_s, records = time.monotonic(), sum(sum(it.watch.records_read) for it in charges)
        since_s, read = now_s - self._looked_s, records - self._records
        self._looked_s, self._records = now_s, records
        return round(max(read, 0) / since_s) if since_s > 0 else 0
