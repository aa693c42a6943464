"""One partition number under watch: records in, verdicts, the next checkpoint's page out.

Ties codec, sequence, tracker and header together. Knows no broker and no clock: the worker hands
in batches, wall time and proofs, and writes the page.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiokafka import TopicPartition

from schemas.alerts import Alert
from schemas.deadletters import DeadLetter
from schemas.records import RETURNED, SUBMITTED, Record
from schemas.times import rfc3339
from streams.core import compiled
from streams.core.decisions import Decision, Place
from streams.core.history import History
from streams.core.rules import Policy
from streams.core.sequence import Entries, Mark, Stretch
from streams.core.stats import Tally
from streams.core.tracker import Tracker
from streams.outputs import Outlet, outputs
from streams.state.changelog import (
    HEADER_KEY,
    ORDER,
    Segments,
    State,
    policy_key,
    segments_of,
    stats_key,
)
from streams.state.header import Header, encode_header, progress_of
from streams.state.ledger import Page

DECISIONS_MAX: Final = 5_000  # Waiting to be written; with more, no further record is worked.
OVERDUE_ORDERS_MAX: Final = 2_000  # Settled in one step, so that reading goes on beside them.
LETTERS_BYTES_MAX: Final = 8 * 1024 * 1024  # Of dead letters waiting to be written.
BUFFERED_BYTES_MAX: Final = 32 * 1024 * 1024  # Of one side, by the size of its last records.
RECORDS_WEIGHED: Final = 100  # The last so many of a stretch.
BUFFERED_RECORDS_MAX: Final = 20_000  # Of one side; with more, a side that is ahead is held back.


@dataclass(frozen=True, slots=True)
class Duty:
    """What is the same for every partition number of a worker."""

    app_id: str
    submitted_topic: str
    returned_topic: str
    alerts_topic: str
    dead_letters_topic: str
    policy: Policy
    worker: str  # Who decided, for the `returnwatch-worker` header.
    stats_topic: str | None = None  # None where nothing is counted.

    def place(self, partition: int) -> Place:
        """Where the records of one partition number stand."""
        return Place(self.submitted_topic, self.returned_topic, partition)

    @property
    def outlet(self) -> Outlet:
        """Where outputs go, and whose they are."""
        return Outlet(self.app_id, self.alerts_topic, self.dead_letters_topic, self.stats_topic)

    def inputs(self, partition: int) -> tuple[TopicPartition, TopicPartition]:
        """The topic partitions of one partition number: submitted, returned."""
        submitted = TopicPartition(self.submitted_topic, partition)
        return submitted, TopicPartition(self.returned_topic, partition)


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment of the worker's wall clock, and what has to be said about verdicts made then."""

    now_ms: int
    marks: tuple[tuple[str, bytes], ...] = ()  # Headers such as `returnwatch-partitioner`.


@dataclass(frozen=True, slots=True)
class Sight:
    """How far a watch sees: every order due before `frontier_ms` is decided, every row of a second
    before `complete_s` was handed out."""

    frontier_ms: int
    complete_s: int


class Watch:
    """The orders of one partition number, from restored state on."""

    def __init__(self, duty: Duty, partition: int, state: State) -> None:
        header = state.header
        assert header is not None, "a watch begins where a header says"
        self.partition = partition
        self.held = False  # While set, nothing is decided; what is read waits.
        self.counts: Counter[str] = Counter()
        self.records_read = [0, 0]  # By side.
        self._record_bytes = [0, 0]  # Of a record, in the mean of the last.
        marks = tuple(Mark(side.next_offset, side.arrival_ms) for side in header.progress())
        self.sequence = compiled.sequence_of(
            (marks[SUBMITTED], marks[RETURNED]), header.frontier_ms
        )
        self.tracker = Tracker(duty.place(partition), duty.policy, history_of(header))
        self.tally = None if duty.stats_topic is None else Tally(partition)
        if self.tally is not None:
            self.tracker.notes = self.tally.notes
        self._stale_stats = list(state.stats) if self.tally is None else []
        self._duty = duty
        self._header = header
        self._written_marks = self.sequence.marks()
        self._segments = Segments(
            duty.policy.remember_ms, header.segments[1], standing=segments_of(state)
        )
        self._known_policies = set(state.policies)
        self._told: list[Decision] = []
        self._letters_bytes = 0
        self._put_back(state)

    @property
    def header(self) -> Header:
        """The header of the newest page made."""
        return self._header

    @property
    def decisions_waiting(self) -> int:
        """How many decisions the next page would hold."""
        return len(self._told)

    def feed(self, side: int, bounds: tuple[int, int], records: Sequence[Record]) -> None:
        """Take in what was read next of one side, as [from offset, next offset) and its records;
        OffsetGap if it is not what comes next."""
        self.sequence.feed(side, Stretch(*bounds, records))
        self.records_read[side] += len(records)
        if records:
            last = records[-RECORDS_WEIGHED:]
            total = sum(len(record.value) for record in last if record.value is not None)
            self._record_bytes[side] = total // len(last)

    def withhold_open(self) -> list[str]:
        """Tell no time-out of the orders that are open now; their ids."""
        return sorted(key.decode() for key in self.tracker.book.withhold_open())

    def work(self, now_ms: int) -> None:
        """Decide what the frontier allows; it never passes the wall clock `now_ms`."""
        if self.held or self._is_stuffed:
            return
        entries = self.sequence.take(now_ms)
        if entries:
            self._note_cut(entries)
            self._tell(self.tracker.apply(entries))
        frontier_ms = self.sequence.frontier_ms
        self._tell(self.tracker.advance(frontier_ms, OVERDUE_ORDERS_MAX))
        if self.tally is not None:
            self.tally.count()
            self.tally.pass_to(self._settled_ms())

    @property
    def is_overdue(self) -> bool:
        """Whether overdue orders were left for the next step."""
        return self.tracker.is_overdue

    def can_go_on(self, now_ms: int) -> bool:
        """Whether the next step would decide something, without any further record or proof."""
        if self._is_stuffed:
            return False
        if self.is_overdue:
            return True
        since_ms = self.waits_since_ms()
        complete_ms = min(map(self.sequence.complete_ms, (SUBMITTED, RETURNED)))
        return since_ms is not None and since_ms < min(complete_ms, now_ms)

    def waits_since_ms(self) -> int | None:
        """The time that has to be complete before anything more can be decided: of the first
        record that waits, or of the next timer. None while nothing waits."""
        record_ms, timer_ms = self.sequence.first_waiting_ms(), self.tracker.book.timers.next_ms()
        if record_ms is None or timer_ms is None:
            return timer_ms if record_ms is None else record_ms
        return min(record_ms, timer_ms)

    def is_full(self, side: int) -> bool:
        """Whether one side should not be read further for now."""
        buffered = self.sequence.buffered(side)
        is_large = buffered * self._record_bytes[side] >= BUFFERED_BYTES_MAX
        if buffered < BUFFERED_RECORDS_MAX and not is_large:
            return False
        return self.held or self._is_stuffed or self.sequence.is_ahead(side)

    def is_dirty(self) -> bool:
        """Whether the next page would hold anything that the last one does not."""
        return bool(
            self._told
            or (self.tally is not None and self.tally.has_rows)
            or self.tracker.book.has_changes()
            or self.sequence.marks() != self._written_marks
        )

    def sight(self) -> Sight:
        """How far is seen by what was decided up to now, if it is written."""
        return Sight(self._settled_ms(), 0 if self.tally is None else self.tally.told_s)

    def page(self, at: Instant) -> Page:
        """The next checkpoint; from here on it counts as written, so a failure ends the watch."""
        told, self._told = self._told, []
        self._letters_bytes = 0
        changelog, closings = self.tracker.book.take_changes(ORDER)
        self._written_marks = self.sequence.marks()
        changelog.extend(self._segments.records(closings, self.sequence.frontier_ms))
        policy = self._duty.policy
        if policy.digest() not in self._known_policies:
            self._known_policies.add(policy.digest())
            changelog.append((policy_key(policy.digest()), policy.text().encode()))
        stats, changes = ([], {}) if self.tally is None else self.tally.take()
        changelog.extend((stats_key(second_s), value) for second_s, value in changes.items())
        changelog.extend((stats_key(second_s), None) for second_s in self._stale_stats)
        self._stale_stats.clear()
        self._header = self._next_header(at.now_ms)
        changelog.append((HEADER_KEY, encode_header(self._header)))
        self.counts.update(it.type if isinstance(it, Alert) else "dead_letters" for it in told)
        return Page(outputs(self._duty.outlet, (told, stats), self._run_headers(at)), changelog)

    @property
    def _is_stuffed(self) -> bool:
        """Whether what waits to be written is as much as one checkpoint should hold."""
        return len(self._told) >= DECISIONS_MAX or self._letters_bytes >= LETTERS_BYTES_MAX

    def _settled_ms(self) -> int:
        """Everything that takes effect before is decided: the frontier, or the first timer that
        was left for the next step."""
        next_ms = self.tracker.book.timers.next_ms() if self.is_overdue else None
        frontier_ms = self.sequence.frontier_ms
        return frontier_ms if next_ms is None else min(frontier_ms, next_ms)

    def _tell(self, decisions: list[Decision]) -> None:
        self._told += decisions
        for decision in decisions:
            if isinstance(decision, DeadLetter):
                self._letters_bytes += len(decision.unreadable.record.value or b"")

    def _put_back(self, state: State) -> None:
        book = self.tracker.book
        for _, segment in sorted(state.segments.items()):
            book.restore_segment(segment)
        book.restore_orders(state.orders)
        if self.tally is not None:
            self.tally.restore(state.stats, state.orders.values())

    def _note_cut(self, entries: Entries) -> None:
        if self._header.entered_inside and self._header.cut_ms is None:
            self._header = replace(self._header, cut_ms=entries[0][0])
            self.tracker.learn(history_of(self._header))

    def _next_header(self, now_ms: int) -> Header:
        submitted, returned = self._written_marks
        before = self._header
        return replace(
            before,
            submitted=progress_of(submitted, before.submitted),
            returned=progress_of(returned, before.returned),
            frontier_ms=self.sequence.frontier_ms,
            policy_digest=self._duty.policy.digest(),
            segments=self._segments.bounds,
            orders=len(self.tracker.book.orders),
            worked_at_ms=now_ms,
        )

    def _run_headers(self, at: Instant) -> list[tuple[str, bytes]]:
        submitted, returned = self._written_marks
        texts = {
            "returnwatch-worker": self._duty.worker,
            "returnwatch-decided-at": rfc3339(at.now_ms),
            "returnwatch-frontier": str(self.sequence.frontier_ms),
            "returnwatch-offsets": f"{submitted.next_offset}/{returned.next_offset}",
            "returnwatch-settings": self._duty.policy.digest(),
        }
        return [*((name, text.encode()) for name, text in texts.items()), *at.marks]


def history_of(header: Header) -> History:
    """What of the log the header says cannot be known."""
    return History(header.cut_ms, header.gap_until_ms)
