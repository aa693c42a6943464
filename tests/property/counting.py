"""Drives sequence, tracker and tally over a generated log, with checkpoints and crashes.

What a checkpoint keeps is kept in the forms that stand in a changelog: packed orders, the closed
segment, the counts of seconds.
"""

from dataclasses import dataclass, field

import msgspec

from schemas.stats import Stats, StatsSecond, encode_stats, read_stats
from streams.core import compiled
from streams.core.decisions import Place
from streams.core.history import History
from streams.core.sequence import NEVER_MS, Mark, Stretch
from streams.core.stats import Tally
from streams.core.tracker import Tracker
from tests.property.feeder import SIDES, Reader, follow, limit_of, prove_next
from tests.property.logs import Case
from tests.property.moves import TO_THE_END, Move
from tests.property.values import PARTITION, TOPICS


@dataclass
class Kept:
    """The newest checkpoint."""

    marks: tuple[Mark, Mark]
    frontier_ms: int = NEVER_MS
    orders: dict[bytes, bytes] = field(default_factory=dict)
    segments: list[bytes] = field(default_factory=list)
    seconds: dict[int, bytes] = field(default_factory=dict)


class Counter:
    """A worker that counts."""

    def __init__(self, case: Case, overdue_max: int = TO_THE_END) -> None:
        self.case = case
        self.reader = Reader(case)
        self.told: list[StatsSecond] = []
        self._overdue_max = overdue_max
        first, second = (Mark(offset) for offset in case.start)
        self._kept = Kept((first, second))
        self._restore()

    def make(self, move: Move) -> None:
        """Let one thing happen."""
        sequence = self.sequence
        if move.kind == "read":
            position = sequence.position(move.side)
            bounds, records = self.reader.batch(move.side, position, move.count)
            sequence.feed(move.side, Stretch(*bounds, records))
        elif move.kind == "prove":
            prove_next(sequence, self.reader, move)
        elif move.kind == "follow":
            follow(self, sequence, move.count)  # type: ignore[arg-type] # It has what is needed.
        elif move.kind == "take":
            self._work(limit_of(self.case, move))
        elif move.kind == "commit":
            self.commit()
        else:
            self._restore()

    def finish(self) -> list[bytes]:
        """Read, prove, count and keep all that is left; the seconds told, each as JSON."""
        for side in SIDES:
            self.make(Move("read", side, TO_THE_END))
            self.make(Move("prove", side))
        self.make(Move("take"))
        while self.tracker.is_overdue:
            self.make(Move("take"))
        self.commit()
        return [msgspec.json.encode(second) for second in self.told]

    def commit(self) -> None:
        """A checkpoint."""
        kept = self._kept
        changes, closings = self.tracker.book.take_changes()
        records, seconds = self.tally.take()
        kept.marks, kept.frontier_ms = self.sequence.marks(), self.sequence.frontier_ms
        kept.segments.append(closings)
        _put(kept.orders, dict(changes))
        _put(kept.seconds, seconds)
        for record in records:
            again = read_stats(encode_stats(record))
            assert isinstance(again, Stats)
            self.told += again.seconds

    def _work(self, now_ms: int) -> None:
        entries = self.sequence.take(now_ms)
        self.tracker.apply(entries)
        frontier_ms = self.sequence.frontier_ms
        self.tracker.advance(frontier_ms, self._overdue_max)
        self.tally.count()
        next_ms = self.tracker.book.timers.next_ms() if self.tracker.is_overdue else None
        self.tally.pass_to(frontier_ms if next_ms is None else min(frontier_ms, next_ms))

    def _restore(self) -> None:
        kept, case = self._kept, self.case
        self.sequence = compiled.sequence_of(kept.marks, kept.frontier_ms)
        history = History(case.terms.cut_ms, case.terms.gap_until_ms or None)
        self.tracker = Tracker(Place(*TOPICS, PARTITION), case.terms.policy, history)
        for segment in kept.segments:
            self.tracker.book.restore_segment(segment)
        self.tracker.book.restore_orders(kept.orders)
        self.tally = Tally(PARTITION)
        self.tally.restore(kept.seconds, kept.orders.values())
        self.tracker.notes = self.tally.notes


def _put(where: dict, changes: dict) -> None:
    for key, value in changes.items():
        if value is None:
            where.pop(key, None)
        else:
            where[key] = value
