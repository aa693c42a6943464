"""Drives the real core over a generated log: in any batches, with proofs, pages and crashes.

Whatever the moves were, `finish` reads the rest of the log and proves it complete.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from schemas.alerts import Alert, encode_alert
from schemas.deadletters import DeadLetter
from schemas.jsontext import dump
from schemas.records import RETURNED, SUBMITTED, Record
from schemas.times import rfc3339
from streams.core import compiled
from streams.core.decisions import Decision, Place
from streams.core.history import History
from streams.core.sequence import NEVER_MS, Mark, Stretch
from streams.core.tracker import Tracker
from streams.state.changelog import State
from streams.state.header import Header, Progress, first_header
from streams.state.ledger import Page
from streams.watch import Duty, Instant, Watch
from tests.property.logs import BASE_MS, GRID_MS, Case
from tests.property.model import Verdicts, verdicts
from tests.property.moves import TO_THE_END, Move
from tests.property.values import PARTITION, TOPICS

ALERTS: Final = "order-alerts"
DEAD_LETTERS: Final = "order-dead-letters"
SIDES: Final = (SUBMITTED, RETURNED)

# What was told of each order, in order: (effect as text, value as bytes).
Told = dict[str, list[tuple[str, bytes]]]


@dataclass(frozen=True)
class Outcome:
    """What a run told, comparable with what the model says."""

    alerts: Told
    dead_letters: list[tuple[int, int]]


def expected(case: Case, frontier_ms: int | None = None) -> Outcome:
    """What the model says of a case."""
    limit_ms = case.frontier_ms if frontier_ms is None else frontier_ms
    found: Verdicts = verdicts(case.logs, case.terms, frontier_ms=limit_ms)
    alerts = {
        order_id: [(rfc3339(told.effect_ms), dump(told.value)) for told in alerts]
        for order_id, alerts in found.alerts.items()
    }
    return Outcome(alerts, sorted(found.dead_letters))


class Reader:
    """The two logs as a consumer meets them; the broker's side of reading and of proofs."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.ends = tuple(
            log[-1].offset + 1 if log else start
            for log, start in zip(case.logs, case.start, strict=True)
        )

    def rest(self, side: int, position: int) -> list[Record]:
        """What was not read yet."""
        return [record for record in self._case.logs[side] if record.offset >= position]

    def batch(self, side: int, position: int, count: int) -> tuple[tuple[int, int], list[Record]]:
        """The next stretch: its bounds and records; one of no records passes what is left of
        markers."""
        rest = self.rest(side, position)
        records = rest[:count]
        after = rest[count:] if count == 0 else []
        end = records[-1].offset + 1 if records else (after[0].offset if after else position)
        return (position, end), records

    def earlier(self, positions: tuple[int, int]) -> int:
        """The side whose next record was written first."""
        nexts = [self.rest(side, positions[side]) for side in SIDES]
        times_ms = [rest[0].timestamp_ms if rest else self._case.frontier_ms for rest in nexts]
        return times_ms.index(min(times_ms))

    def proof(self, side: int, position: int, asked: int) -> tuple[int, int]:
        """(high watermark, complete to), asked for just before the record was appended that is
        read next or, with `asked`, at the end, which proves nothing before it is reached."""
        rest = self.rest(side, position)
        if asked or not rest:
            return self.ends[side], self._case.frontier_ms
        before = [r.timestamp_ms for r in self._case.logs[side] if r.offset <= rest[0].offset]
        return rest[0].offset, min(max(before), self._case.frontier_ms)


def prove_next(sequence: compiled.AnySequence, reader: Reader, move: Move) -> None:
    """Hand a proof to the sequence, which has to see itself whether it was reached."""
    position = sequence.position(move.side)
    high_watermark, to_ms = reader.proof(move.side, position, move.count)
    reached = sequence.prove(move.side, high_watermark, to_ms)
    assert reached == (position >= high_watermark)


def follow(run: "CoreRun | Worker", sequence: compiled.AnySequence, count: int) -> None:
    """As a worker at the end of both logs: read some records as they come, prove, work."""
    for _ in range(count):
        positions = sequence.position(SUBMITTED), sequence.position(RETURNED)
        run.make(Move("read", run.reader.earlier(positions), 1))
    for side in SIDES:
        run.make(Move("prove", side))
    run.make(Move("take"))


def limit_of(case: Case, move: Move) -> int:
    """The wall clock of a step, never beyond the final frontier."""
    if move.count == 0:
        return case.frontier_ms
    return min(case.frontier_ms, BASE_MS + move.count * GRID_MS)


class CoreRun:
    """Sequence and tracker, without state or worker."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.reader = Reader(case)
        first, second = (Mark(offset) for offset in case.start)
        self.sequence = compiled.sequence_of((first, second))
        history = History(case.terms.cut_ms, case.terms.gap_until_ms or None)
        self.tracker = Tracker(Place(*TOPICS, PARTITION), case.terms.policy, history)
        self.worked = 0
        self.told: list[Decision] = []

    def make(self, move: Move) -> None:
        """Let one thing happen."""
        if move.kind == "read":
            position = self.sequence.position(move.side)
            bounds, records = self.reader.batch(move.side, position, move.count)
            self.sequence.feed(move.side, Stretch(*bounds, records))
        elif move.kind == "prove":
            prove_next(self.sequence, self.reader, move)
        elif move.kind == "follow":
            follow(self, self.sequence, move.count)
        elif move.kind == "take":
            entries = self.sequence.take(limit_of(self.case, move))
            self.worked += len(entries)
            self._tell(self.tracker.apply(entries))
        else:
            self._tell(self.tracker.advance(self.sequence.frontier_ms, max(1, move.count)))

    def finish(self, limit: int) -> None:
        """Read, prove and settle all that is left, at most `limit` orders at a time."""
        for side in SIDES:
            self.make(Move("read", side, TO_THE_END))
            self.make(Move("prove", side))
        self.make(Move("take"))
        assert self.sequence.frontier_ms == self.case.frontier_ms
        self.settle(limit)

    def settle(self, limit: int) -> None:
        """Leave nothing overdue."""
        self.make(Move("advance", count=limit))
        while self.tracker.is_overdue:
            self.make(Move("advance", count=limit))

    def outcome(self) -> Outcome:
        """What was told so far."""
        alerts: Told = {}
        letters: list[tuple[int, int]] = []
        for decision in self.told:
            if isinstance(decision, DeadLetter):
                assert decision.topic == TOPICS[decision.side]
                letters.append((decision.side, decision.unreadable.record.offset))
            else:
                row = (rfc3339(decision.effect_ms), encode_alert(decision))
                alerts.setdefault(decision.order_id, []).append(row)
        return Outcome(alerts, sorted(letters))

    def _tell(self, decisions: list[Decision]) -> None:
        frontier_ms = self.sequence.frontier_ms
        for decision in decisions:
            if isinstance(decision, Alert):
                assert decision.effect_ms < frontier_ms, "told before it was proven"
        self.told += decisions


@dataclass
class Worker:
    """A watch with its checkpoints: pages are committed or lost, crashes lose the rest."""

    case: Case
    changelog: dict[bytes, bytes | None] = field(default_factory=dict)  # Compacted.
    outputs: list[tuple[str, Record]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = Reader(self.case)
        policy = self.case.terms.policy
        self.duty = Duty("test", *TOPICS, ALERTS, DEAD_LETTERS, policy, "worker-1")
        self.crash()

    def crash(self) -> None:
        """Begin again from what was committed."""
        state = State()
        for key, value in self.changelog.items():
            state.take(key, value)
        state.check()
        if state.header is None:
            state.header = self._first_header()
        self.watch = Watch(self.duty, PARTITION, state)

    def make(self, move: Move) -> None:
        """Let one thing happen."""
        sequence = self.watch.sequence
        if move.kind == "read":
            position = sequence.position(move.side)
            self.watch.feed(move.side, *self.reader.batch(move.side, position, move.count))
        elif move.kind == "prove":
            prove_next(sequence, self.reader, move)
        elif move.kind == "follow":
            follow(self, sequence, move.count)
        elif move.kind == "take":
            self.watch.work(limit_of(self.case, move))
        elif move.kind == "commit":
            self.commit(self._page())
        elif move.kind == "crash":
            self._page()  # Written, but its transaction is never committed.
            self.crash()
        else:
            self.crash()

    def commit(self, page: Page) -> None:
        """All of a page, or nothing: here all of it."""
        for key, value in page.changelog:
            self.changelog.pop(key, None)
            self.changelog[key] = value
        for topic, records in page.outputs.items():
            self.outputs += [(topic, record) for record in records]

    def finish(self) -> None:
        """Read, prove, decide and commit all that is left."""
        for side in SIDES:
            self.make(Move("read", side, TO_THE_END))
            self.make(Move("prove", side))
        while True:
            self.make(Move("take"))
            waits = self.watch.decisions_waiting or self.watch.is_overdue
            if self.watch.is_dirty():
                self.make(Move("commit"))
            assert self.watch.sequence.records_behind_frontier == 0
            if not waits and self.watch.sequence.frontier_ms == self.case.frontier_ms:
                return

    def outcome(self) -> Outcome:
        """What was committed so far."""
        alerts: Told = {}
        letters: list[tuple[int, int]] = []
        for topic, record in self.outputs:
            headers = {name: value.decode() for name, value in record.headers}
            if topic == ALERTS:
                assert record.key is not None
                assert record.value is not None
                row = (headers["ce_time"], record.value)
                alerts.setdefault(record.key.decode(), []).append(row)
            else:
                side = TOPICS.index(headers["__streams.errors.topic"])
                letters.append((side, int(headers["__streams.errors.offset"])))
        return Outcome(alerts, sorted(letters))

    def _page(self) -> Page:
        return self.watch.page(Instant(self.case.frontier_ms))

    def _first_header(self) -> Header:
        submitted, returned = (Progress(offset, NEVER_MS, None) for offset in self.case.start)
        digest = self.duty.policy.digest()
        header = first_header((submitted, returned), partitions=8, policy_digest=digest)
        return replace(header, gap_until_ms=self.case.terms.gap_until_ms or None)
