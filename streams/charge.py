"""One partition number in the worker's care: its watch, its ledger, and when it is written.

Owns the checkpoint: one at a time, soon where an alert waits at the edge, else at the interval.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aiokafka import TopicPartition

from schemas.records import RETURNED, SUBMITTED
from schemas.stats import HEARTBEAT_S
from streams.clock import WorkerClock
from streams.guards import Holds
from streams.overdue import OverdueOrders
from streams.state.header import Header
from streams.state.ledger import Ledger
from streams.watch import DECISIONS_MAX, Instant, Sight, Watch

# At the edge a verdict is written at once; further back the log is being caught up with, and
# alerts wait for the interval or until they fill half of what may wait.
EDGE_MS: Final = 2_000
CHECKPOINTS_PER_S_MAX: Final = 250  # Of one worker, where a broker is quick.
CHECKPOINTS_PER_S_SLOW: Final = 100  # However long they take.
CHECKPOINTS_TOGETHER: Final = 8  # Between these, so many are under way at a time.
TOOK_SHARE: Final = 0.1  # Of the newest in the mean.
IDLE_CHECKPOINT_S: Final = 86_400.0  # One a day, so that the transactional id never expires.
SETTLE_TIMEOUT_S: Final = 2.0  # A heartbeat says what is committed by then.
SETTLE_LOOK_S: Final = 0.01
SETTLE_BEHIND_MS: Final = 60_000  # Twice what is called blind (streams/core/incidents/monitor.py).
LOOK_S: Final = 0.25  # How often an interval that has passed is noticed.


class Pace:
    """Spreads the checkpoints of all partitions of a worker over time.

    Where they take longer, fewer begin: what waits for its turn takes along what is decided
    meanwhile, what waits for a broker does not.
    """

    def __init__(self, per_s: float) -> None:
        self._least_s = 1 / per_s
        self._next_s = 0.0
        self._took_s = 0.0  # In the mean, of late.

    async def turn(self) -> None:
        """Returns when the next checkpoint may begin."""
        now_s = time.monotonic()
        at_s = max(now_s, self._next_s)
        slow_s = min(self._took_s / CHECKPOINTS_TOGETHER, 1 / CHECKPOINTS_PER_S_SLOW)
        self._next_s = at_s + max(slow_s, self._least_s)
        if at_s > now_s:
            await asyncio.sleep(at_s - now_s)

    def note(self, took_s: float) -> None:
        """A checkpoint took so long."""
        self._took_s += (took_s - self._took_s) * TOOK_SHARE


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When verdicts are given and checkpoints written, and what verdicts made now have to say."""

    interval_s: float
    edge_ms: int  # A frontier not further back than this is at the edge.
    pace: Pace
    instant: Callable[[], Instant]
    holds: Holds
    clock: WorkerClock


@dataclass(slots=True, eq=False)
class Charge:
    """A partition number that was taken over; `opening` is 0 while nothing is handed over."""

    watch: Watch
    ledger: Ledger
    tps: tuple[TopicPartition, TopicPartition]  # Submitted, returned.
    rhythm: Rhythm
    opening: int = 0
    checkpoint_s: float = 0.0  # How long the newest took.
    written_at_s: float = field(default_factory=lambda: time.monotonic())
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    overdue: OverdueOrders = field(default_factory=OverdueOrders)
    is_dropped: bool = False
    is_probing: bool = False  # The next checkpoint is written even if it is empty.
    _written: Header = field(init=False)
    _seen: Sight = field(init=False)  # By the newest checkpoint that is committed.
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._written = self.watch.header
        self._seen = Sight(self._written.frontier_ms, 0)

    def side_of(self, topic: str) -> int:
        """Which side of the orders a topic holds."""
        return SUBMITTED if topic == self.tps[SUBMITTED].topic else RETURNED

    def work(self) -> None:
        """Decide what can be decided now, and wake the writer if that should not wait."""
        now_ms = self.rhythm.instant().now_ms
        self.watch.held = bool(self.rhythm.holds)
        self.watch.work(now_ms)
        waiting = self.watch.decisions_waiting
        if waiting and (waiting >= DECISIONS_MAX // 2 or self._is_at_edge(now_ms)):
            self._wake.set()

    def probe(self) -> None:
        """Write a checkpoint soon, to learn the broker's time."""
        self.is_probing = True
        self._wake.set()

    def can_go_on(self, now_ms: int) -> bool:
        """Whether something can be decided now that the last step left."""
        return not self.rhythm.holds and self.watch.can_go_on(now_ms)

    def late_ms(self, now_ms: int) -> int:
        """For how long something could be decided by the clock, and waits for the frontier: a
        record, a deadline, the end of `hold` or of `remember`. 0 while nothing is due."""
        since_ms = self.watch.waits_since_ms()
        return 0 if since_ms is None else max(now_ms - since_ms, 0)

    def offsets(self) -> dict[TopicPartition, int]:
        """How far both sides have been worked in the newest checkpoint that is committed."""
        progress = self._written.progress()
        return {tp: side.next_offset for tp, side in zip(self.tps, progress, strict=True)}

    def sight(self) -> Sight:
        """How far is seen, by what is committed; an idle partition has nothing to commit."""
        if not self._writing.locked() and not self.watch.is_dirty() and not self.is_dropped:
            return self.watch.sight()
        return self._seen

    async def settle(self) -> None:
        """Have the rows written that wait, where checkpoints are written as often as that, and wait
        for it a while. `keep_written` does it: a failure must end that, and nothing else.

        Nothing far behind, where that would only be one more checkpoint; nearer to the edge who
        reads heartbeats goes by how far behind they are."""
        behind_ms = self.rhythm.instant().now_ms - self.watch.sequence.frontier_ms
        is_far_behind = behind_ms > SETTLE_BEHIND_MS
        if is_far_behind or not self._rows_wait() or self.rhythm.interval_s > HEARTBEAT_S:
            return
        self._wake.set()
        until_s = time.monotonic() + SETTLE_TIMEOUT_S
        while self._rows_wait() or self._writing.locked():
            if self.is_dropped or time.monotonic() >= until_s:
                return
            await asyncio.sleep(SETTLE_LOOK_S)

    def _rows_wait(self) -> bool:
        return self.watch.tally is not None and self.watch.tally.has_rows

    async def keep_written(self) -> None:
        """Write checkpoints as they fall due, until cancelled; Fenced or LedgerError ends it."""
        while True:
            with_alert = await self._woken()
            if with_alert or self._is_due():
                await self.rhythm.pace.turn()
                await self.checkpoint()

    async def checkpoint(self) -> None:
        """Write what there is; nothing if there is nothing. One at a time."""
        async with self._writing:
            self._wake.clear()
            is_idle = time.monotonic() - self.written_at_s > IDLE_CHECKPOINT_S
            is_wanted = self.watch.is_dirty() or is_idle or self.is_probing
            if self.is_dropped or not is_wanted:
                return
            self.is_probing = False
            try:
                await self.write_now()
            except BaseException:  # What the page held is in no later one: nobody writes another.
                self.is_dropped = True
                raise

    async def write_now(self) -> None:
        """Write a checkpoint, even an empty one."""
        began_s = time.monotonic()
        page = self.watch.page(self.rhythm.instant())
        header, seen = self.watch.header, self.watch.sight()
        written = await self.ledger.write(page)
        self._written, self._seen = header, seen
        self.rhythm.clock.note(written)
        self.written_at_s = time.monotonic()
        self.checkpoint_s = self.written_at_s - began_s
        self.rhythm.pace.note(self.checkpoint_s)
        self.watch.counts["checkpoints"] += 1

    def _is_at_edge(self, now_ms: int) -> bool:
        return now_ms - self.watch.sequence.frontier_ms <= self.rhythm.edge_ms

    def _is_due(self) -> bool:
        since_s = time.monotonic() - self.written_at_s
        return since_s > IDLE_CHECKPOINT_S or (
            since_s >= self.rhythm.interval_s and self.watch.is_dirty()
        )

    def _look_s(self) -> float:
        """Until a checkpoint may be due; from then on, until it is noticed that there is one."""
        every_s = min(self.rhythm.interval_s, IDLE_CHECKPOINT_S)
        due_s = self.written_at_s + every_s - time.monotonic()
        return max(due_s, min(LOOK_S, every_s))

    async def _woken(self) -> bool:
        try:
            async with asyncio.timeout(self._look_s()):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True
