"""The open orders of one partition number, and the verdict on each: design section 4's table.

Takes the merged records and the frontier, gives decisions; the orders themselves are in its book.
No clock, no I/O, no logging: the same entries and frontiers in any portions give the same
decisions, within one order in the same order.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, cast

from schemas.deadletters import DeadLetter
from schemas.events import Return, Submission
from schemas.records import RETURNED, SUBMITTED, Unreadable
from streams.core import compiled, decisions, notes
from streams.core.book import Book
from streams.core.closed import CONFLICT, Closed
from streams.core.decisions import Decision, Place
from streams.core.history import History
from streams.core.notes import Notes
from streams.core.orders import Held, OlderReturn, Order, State, held_of, sent_of
from streams.core.outcomes import FINAL_OUTCOMES
from streams.core.packing import effect_of, head_of, pack_fresh, unpack
from streams.core.rules import Policy
from streams.core.sequence import Entry, behind

_OPEN: Final = int(State.OPEN)
_FINAL_NUMBERS: Final = {outcome: number for number, outcome in enumerate(FINAL_OUTCOMES)}
SWEEP_SHELVES: Final = 4  # Shelves of closed orders looked through for expired ones per advance.


class Tracker:
    """Verdicts for one partition number."""

    def __init__(self, place: Place, policy: Policy, history: History | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.book = Book(policy.remember_ms)
        self.notes: Notes | None = None  # Whoever counts gives them, and empties them.
        self._lane = compiled.lane_of(self.book, policy.rules, self._work)
        self._place = place
        self._policy = policy
        self._told: list[Decision] = []
        self.is_overdue = False  # The last `advance` reached its limit.
        self.learn(history or History())

    def learn(self, history: History) -> None:
        """What of the log cannot be known, from now on."""
        self._quiet_until_ms = history.quiet_until_ms(self._policy)
        self._withheld_until_ms = history.withheld_until_ms()

    def apply(self, entries: Sequence[Entry]) -> list[Decision]:
        """Work records in the order of the sequence; each order's due timers go first."""
        if self._lane is not None and compiled.are_in_place(entries):
            self._lane.work(entries, self.notes, self._withheld_until_ms)
        else:
            self._work(entries)
        return self._take_told()

    def _work(self, entries: Sequence[Entry]) -> None:
        orders = self.book.orders
        for entry in entries:
            arrival, side, offset, event, record, logged = entry
            # One behind the frontier is worked as the last before it: what is due is settled.
            until = arrival if arrival == logged else arrival + 1
            if type(event) is Unreadable:
                self._set_aside(entry, event, until)
                continue
            key = record.key
            assert key is not None, "a record without a key was read as an event"
            packed = orders.get(key)
            if packed is not None:
                state, attempt, parts, effect_ms = head_of(packed)
                if side == RETURNED and state == _OPEN and not parts and effect_ms >= until:
                    returned = cast(Return, event)
                    outcome = _FINAL_NUMBERS.get(returned.outcome)
                    named = returned.attempt or attempt
                    if named >= attempt and outcome is not None and not returned.slips:
                        self.book.close_open(key, named, outcome, at_ms=arrival)
                        if self.notes is not None:
                            self.notes.answered(arrival, returned, packed)
                        continue
                if effect_ms < until:
                    self._settle(key, until)
                    packed = orders.get(key)
            is_fresh = packed is None and side == SUBMITTED
            if is_fresh and self.book.find_closed(key, arrival) is None:
                self._open(key, cast(Submission, event), offset, arrival_ms=arrival)
            elif side == SUBMITTED:
                self._submitted(entry, packed)
            else:
                self._returned(entry, packed)

    def advance(self, to_ms: int, limit: int) -> list[Decision]:
        """Settle timers that take effect before `to_ms`, the most overdue first, at most `limit`
        orders; the rest is for the next call."""
        due = self.book.timers.due(to_ms, limit)
        self.is_overdue = len(due) == limit
        for key in due:
            self._settle(key, to_ms)
        self.book.closed.sweep(to_ms, SWEEP_SHELVES)
        return self._take_told()

    def _take_told(self) -> list[Decision]:
        told, self._told = self._told, []
        return told

    # Records.

    def _submitted(self, entry: Entry, packed: bytes | None) -> None:
        arrival, _, offset, event, record, _ = entry
        key = cast(bytes, record.key)
        submission = cast(Submission, event)
        attempt = submission.attempt or 1
        if packed is None:
            closed = self.book.find_closed(key, arrival)
            assert closed is not None, "an unknown order is opened at once"
            if attempt > closed.attempt:
                self._open(key, submission, offset, arrival_ms=arrival)
            else:
                self.counts["duplicate_submissions"] += 1
            return
        order = unpack(packed)
        if isinstance(order, Held):
            self._answer_held(entry, order, attempt)
        elif attempt > order.sent.attempt:
            self._reopen(entry, order)
        else:
            self.counts["duplicate_submissions"] += 1

    def _answer_held(self, entry: Entry, held: Held, attempt: int) -> None:
        arrival, _, offset, event, record, _ = entry
        key = cast(bytes, record.key)
        if held.attempt and held.attempt < attempt:
            self.counts["held_returns_dropped"] += 1
            self._open(key, cast(Submission, event), offset, arrival_ms=arrival)
        else:
            self.book.close(key, Closed(max(held.attempt, attempt), held.outcome, arrival))
            self._note(arrival, notes.OPENED, event)
            self._note(arrival, notes.ANSWERED, held, of=event)

    def _reopen(self, entry: Entry, order: Order) -> None:
        arrival, _, offset, event, record, _ = entry
        terms = self._policy.rules.terms_of(cast(Submission, event))
        sent = sent_of(cast(Submission, event), offset, terms)
        if order.state == State.OPEN:
            self.counts["superseded_attempts"] += 1
            self._note(arrival, notes.GONE, None, of=order.sent)
        elif not order.is_withheld:
            order.earlier = order.sent
            self._note(arrival, notes.FORGOTTEN, None, of=order.sent)
        self._note(arrival, notes.OPENED, event)
        order.state = State.OPEN
        order.sent = sent
        order.interim = None
        order.is_withheld = arrival < self._withheld_until_ms
        self.book.keep(cast(bytes, record.key), order, max(sent.deadline_ms, arrival))

    def _returned(self, entry: Entry, packed: bytes | None) -> None:
        arrival, _, offset, event, record, _ = entry
        key = cast(bytes, record.key)
        returned = cast(Return, event)
        for slip in returned.slips:
            self.counts[f"slips_{slip}"] += 1
        if returned.outcome not in _FINAL_NUMBERS:
            self.counts["interim_returns"] += 1
            self._note(arrival, notes.INTERIM, returned, of=packed)
            self.book.keep_interim(key, returned)
            return
        answer = held_of(returned, arrival, offset)
        if packed is None:
            closed = self.book.find_closed(key, arrival)
            if closed is None:
                self.book.keep(key, answer, arrival + self._policy.hold_ms)
                self._note(arrival, notes.HELD, answer)
            else:
                self._answer_closed(entry, closed, answer)
            return
        order = unpack(packed)
        if isinstance(order, Held):
            self._held_again(entry, order, answer)
        else:
            self._answer_order(entry, order, answer)

    def _answer_order(self, entry: Entry, order: Order, answer: Held) -> None:
        key = cast(bytes, entry[4].key)
        attempt = order.sent.attempt
        if answer.attempt and answer.attempt < attempt:
            self.counts["older_returns"] += 1
            order.older = OlderReturn(answer.attempt, answer.outcome)
            self.book.keep(key, order, order.effect_ms)
            return
        if order.late is not None:
            alert = decisions.returned_late(self._place, key.decode(), answer, sent=order.late)
            self._tell(alert, behind(entry))
        self._note(answer.arrival_ms, notes.answer_to(order), answer, of=order.sent)
        newest = max(answer.attempt, attempt)
        self.book.close(key, Closed(newest, answer.outcome, answer.arrival_ms))

    def _answer_closed(self, entry: Entry, closed: Closed, answer: Held) -> None:
        key = cast(bytes, entry[4].key)
        if answer.attempt > closed.attempt:
            self.book.close(key, Closed(answer.attempt, answer.outcome, answer.arrival_ms))
            return
        meets = closed.meets(answer.attempt, answer.outcome)
        if meets == CONFLICT:
            self._conflict(entry, (closed.attempt, closed.outcome), answer)
        else:
            self.counts[meets] += 1

    def _held_again(self, entry: Entry, held: Held, answer: Held) -> None:
        if held.attempt and answer.attempt > held.attempt:
            key = cast(bytes, entry[4].key)
            self.book.keep(key, answer, answer.arrival_ms + self._policy.hold_ms)
        elif 0 < answer.attempt < held.attempt:
            self.counts["older_returns"] += 1
        elif answer.outcome == held.outcome:
            self.counts["duplicate_returns"] += 1
        else:
            self._conflict(entry, (held.attempt or None, held.outcome), answer)

    def _conflict(self, entry: Entry, first: tuple[int | None, str], answer: Held) -> None:
        key = cast(bytes, entry[4].key)
        self._note(answer.arrival_ms, notes.CONFLICTING, answer)
        alert = decisions.conflicting_return(self._place, key.decode(), answer, first=first)
        self._tell(alert, behind(entry))

    def _set_aside(self, entry: Entry, event: Unreadable, until_ms: int) -> None:
        arrival, side, offset, _, record, _ = entry
        place, key = self._place, record.key
        topic = place.returned_topic if side == RETURNED else place.submitted_topic
        sent = None
        if side == RETURNED and key is not None and key in self.book.orders:
            self._settle(key, until_ms)
            sent = self.book.keep_unreadable(key, offset, event.problems[0].field)
        self._note(arrival, notes.UNREADABLE, (side, event), of=sent)
        self._tell(DeadLetter(side, topic, place.partition, event), behind(entry))

    # Timers.

    def _settle(self, key: bytes, until_ms: int) -> None:
        """Let the order's timers take effect that do so before `until_ms`, one after another."""
        packed = self.book.orders.get(key)
        while packed is not None and effect_of(packed) < until_ms:
            order = unpack(packed)
            if isinstance(order, Held):
                self._end_hold(key, order)
            elif order.state == State.OPEN:
                self._time_out(key, order)
            else:
                if not order.is_withheld:
                    self._note(order.effect_ms, notes.FORGOTTEN, None, of=order.sent)
                self.book.drop(key)
            packed = self.book.orders.get(key)

    def _time_out(self, key: bytes, order: Order) -> None:
        order.state = State.TIMED_OUT
        if order.is_withheld:
            self.counts["withheld_time_outs"] += 1
            self._note(order.effect_ms, notes.GONE, None, of=order.sent)
        else:
            self._tell(decisions.timed_out(self._place, key.decode(), order))
            self._note(order.effect_ms, notes.TIMED_OUT, key, of=order.sent)
            order.earlier = None
        self.book.keep(key, order, order.effect_ms + self._policy.remember_ms)

    def _end_hold(self, key: bytes, held: Held) -> None:
        if held.told:
            self.book.drop(key)
            return
        if held.arrival_ms >= self._quiet_until_ms:
            self._tell(decisions.unmatched_return(self._place, key.decode(), held))
            self._note(held.effect_ms, notes.UNMATCHED, held, of=key)
        else:
            self.counts["unmatched_before_start"] += 1
        held.told = True
        self.book.keep(key, held, held.arrival_ms + self._policy.remember_ms)

    def _open(self, key: bytes, submission: Submission, offset: int, *, arrival_ms: int) -> None:
        terms = self._policy.rules.terms_of(submission)
        effect_ms = max(submission.submitted_at + terms[1], arrival_ms)
        packed = pack_fresh(submission, offset, terms, effect_ms=effect_ms)
        if key in self.book.orders:  # A held return that it does not answer.
            self.book.drop(key)
        self.book.open(key, packed, effect_ms)
        if self.notes is not None:
            self.notes.opened(arrival_ms, submission.amount_minor or 0, packed)
        if arrival_ms < self._withheld_until_ms:
            self.book.withhold(key)

    def _tell(self, decision: Decision, late: tuple[int, int] | None = None) -> None:
        if late is not None:
            decision = replace(decision, behind=late)
        self._told.append(decision)

    def _note(self, at_ms: int, what: int, about: Any, *, of: Any = None) -> None:
        if self.notes is not None:
            self.notes.others.append((at_ms, what, about, of))
