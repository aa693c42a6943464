"""An in-memory log: topic partitions with offsets, transactions, fencing, compaction.

Times are the broker's (LogAppendTime). A record stands above the high watermark for a while, as
if it replicated; an open transaction holds back the last stable offset, never the watermark.
"""

import random
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aiokafka import TopicPartition
from msgspec.structs import replace

from schemas.records import Record
from tests.simulation.clock import VirtualLoop

REPLICATION_S_MAX: Final = 0.18
STUCK_S_MAX: Final = 2.0  # Where a replica has died or hangs, until it is out of sync.
MARKER_S_MAX: Final = 0.05  # From the decision to its marker in a partition.


class Lost(Exception):
    """A producer of a newer epoch has taken its transactional id."""


class Busy(Exception):
    """The id's last transaction is decided, its markers are not written yet: ask again."""


@dataclass(eq=False)
class Transaction:
    """What one producer has open; it is decided before its markers are written."""

    began_s: float
    state: str = "open"
    logs: "list[PartitionLog]" = field(default_factory=list)
    unmarked: int = 0


class Stored(NamedTuple):
    """A record, or a marker where there is none."""

    offset: int
    record: Record | None
    transaction: Transaction | None
    is_marker: bool


class PartitionLog:
    """One topic partition."""

    def __init__(self, loop: VirtualLoop, rng: random.Random) -> None:
        self.stored: list[Stored] = []
        self.end = 0
        self.ahead_ms = 0  # The leader's clock.
        self._loop = loop
        self._rng = rng
        self._replicated = 0
        self._replicating: deque[tuple[int, float]] = deque()
        self._unstable: dict[Transaction, tuple[int, int | None]] = {}  # First offset, marker's.

    @property
    def clock_ms(self) -> int:
        """The leader's wall clock."""
        return self._loop.now_ms + self.ahead_ms

    def append(self, record: Record, transaction: Transaction | None = None) -> int:
        """The offset it got; its timestamp is now."""
        offset = self.end
        at_ms = self.clock_ms
        if transaction is not None and transaction not in self._unstable:
            self._unstable[transaction] = (offset, None)
            transaction.logs.append(self)
        timed = replace(record, offset=offset, timestamp_ms=at_ms)
        self._add(Stored(offset, timed, transaction, False))
        return offset

    def mark(self, transaction: Transaction) -> float:
        """Write the marker of a decided transaction; when it will be replicated."""
        first, _ = self._unstable[transaction]
        self._unstable[transaction] = (first, self.end)
        return self._add(Stored(self.end, None, transaction, True))

    def high_watermark(self) -> int:
        """The offset after the last replicated record."""
        replicating = self._replicating
        while replicating and replicating[0][1] <= self._loop.now_s:
            self._replicated = replicating.popleft()[0]
        return self._replicated

    def last_stable(self) -> int:
        """The offset before which every transaction is decided, and known to be."""
        stable = high = self.high_watermark()
        for transaction, (first, marker) in list(self._unstable.items()):
            if marker is not None and marker < high:
                del self._unstable[transaction]
            else:
                stable = min(stable, first)
        return stable

    def read(self, position: int, limit: int) -> tuple[int, list[Record]]:
        """read_committed: where the position goes, and the records on the way."""
        end = self.last_stable()
        if position >= end:
            return position, []
        at = bisect_left(self.stored, (position,))
        records: list[Record] = []
        for stored in self.stored[at : at + limit]:
            if stored.offset >= end:
                return end, records
            if stored.record is not None and is_visible(stored):
                records.append(stored.record)
            position = stored.offset + 1
        return (end if at + limit >= len(self.stored) else position), records

    def committed(self) -> list[Record]:
        """Everything a read_committed subscriber sees from the start on."""
        return self.read(0, len(self.stored) + 1)[1]

    def compact(self, before_offset: int, tombstones_before_ms: int) -> None:
        """Keep the newest committed record of each key; older tombstones go, and some markers."""
        limit = min(before_offset, self.last_stable())
        newest = {
            stored.record.key: stored.offset
            for stored in self.stored
            if stored.offset < limit and stored.record is not None and is_visible(stored)
        }
        self.stored = [
            stored
            for stored in self.stored
            if stored.offset >= limit or self._stays(stored, newest, tombstones_before_ms)
        ]

    def _stays(self, stored: Stored, newest: dict[bytes | None, int], before_ms: int) -> bool:
        record = stored.record
        if record is None:
            return self._rng.random() < 0.5
        if newest.get(record.key) != stored.offset:
            return False
        return record.value is not None or record.timestamp_ms >= before_ms

    def _add(self, stored: Stored) -> float:
        self.stored.append(stored)
        self.end += 1
        lag_s = self._rng.random() * 0.002
        if self._rng.random() < 0.1:
            lag_s = self._rng.random() * REPLICATION_S_MAX
        elif self._rng.random() < 0.01:
            lag_s = self._rng.random() * STUCK_S_MAX
        before_s = self._replicating[-1][1] if self._replicating else 0.0
        replicated_s = max(before_s, self._loop.now_s + lag_s)
        self._replicating.append((self.end, replicated_s))
        return replicated_s


def is_visible(stored: Stored) -> bool:
    """Whether read_committed gives it, once it is stable."""
    return stored.transaction is None or stored.transaction.state == "committed"


@dataclass
class Faults:
    """How the broker may be broken on purpose, to prove that the auditor sees it."""

    no_fence: bool = False
    outputs_outside: frozenset[str] = frozenset()  # Topics written beside the transaction.


class Log:
    """All topics, and the coordinator of transactions."""

    def __init__(self, loop: VirtualLoop, rng: random.Random, faults: Faults) -> None:
        self.epochs: dict[str, int] = {}
        self._loop = loop
        self._rng = rng
        self._faults = faults
        self._logs: dict[tuple[str, int], PartitionLog] = {}
        self._current: dict[tuple[str, int], Transaction] = {}  # By id and epoch.

    def of(self, tp: TopicPartition) -> PartitionLog:
        """One topic partition; made when it is first asked for."""
        log = self._logs.get(tp)
        if log is None:
            log = self._logs[tp] = PartitionLog(self._loop, self._rng)
        return log

    def init(self, name: str) -> int:
        """A new epoch of a transactional id; what older ones have open is aborted."""
        if not self._faults.no_fence:
            for (other, _), transaction in list(self._current.items()):
                if other == name and transaction.state == "open":
                    self.decide(transaction, "aborted")
                    self.epochs[name] += 1  # From now on, not only when the markers stand.
                if other == name and transaction.unmarked:
                    raise Busy(name)
        self.epochs[name] = self.epochs.get(name, 0) + 1
        return self.epochs[name]

    def begin(self, name: str, epoch: int) -> Transaction:
        """The open transaction of a producer, made with its first send."""
        self._check(name, epoch)
        transaction = self._current.get((name, epoch))
        if transaction is not None and transaction.unmarked:
            raise Busy(name)
        if transaction is None or transaction.state != "open":
            transaction = self._current[name, epoch] = Transaction(self._loop.now_s)
        return transaction

    def send(self, producer: tuple[str, int], tp: TopicPartition, records: Sequence[Record]) -> int:
        """Append to a partition within the producer's transaction; the time it was given."""
        transaction = self.begin(*producer)
        outside = tp.topic in self._faults.outputs_outside
        for record in records:
            self.of(tp).append(record, None if outside else transaction)
        return self.of(tp).clock_ms

    def end(self, name: str, epoch: int) -> None:
        """Commit what the producer has open; a repeated request is taken as the first one."""
        self._check(name, epoch)
        transaction = self._current[name, epoch]
        if transaction.state == "aborted":
            raise Lost(name)
        if transaction.state == "open":
            self.decide(transaction, "committed")

    def expire(self, timeout_s: float) -> None:
        """Abort what is open for too long, and fence its producer."""
        for (name, epoch), transaction in list(self._current.items()):
            if transaction.state == "open" and self._loop.now_s > transaction.began_s + timeout_s:
                self.decide(transaction, "aborted")
                if self.epochs.get(name) == epoch:
                    self.epochs[name] += 1

    def decide(self, transaction: Transaction, state: str) -> None:
        """Commit or abort, for good; the markers follow, each partition's in its own time."""
        assert transaction.state == "open"
        transaction.state = state
        transaction.unmarked = len(transaction.logs)
        for log in transaction.logs:
            self._loop.outside(self._rng.random() * MARKER_S_MAX, self._mark, transaction, log)

    def _mark(self, transaction: Transaction, log: PartitionLog) -> None:
        replicated_s = log.mark(transaction)
        self._loop.outside(replicated_s - self._loop.now_s, self._complete, transaction)

    def _complete(self, transaction: Transaction) -> None:
        transaction.unmarked -= 1

    def _check(self, name: str, epoch: int) -> None:
        if self.epochs[name] != epoch and not self._faults.no_fence:
            raise Lost(name)
