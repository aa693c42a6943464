"""The compiled lane of plain records: the same in every byte as the tracker without it."""

import gc
import hashlib
import random
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Return, Submission
from schemas.records import RETURNED, SUBMITTED, Problem, Record, Unreadable
from streams.core import compiled
from streams.core.closed import ENTRY_BYTES, order_hash
from streams.core.decisions import Decision, Place
from streams.core.history import History
from streams.core.rules import Policy, Rule, Rules, single_rule
from streams.core.sequence import Entry
from streams.core.stats import Tally
from streams.core.tracker import Tracker

lane = pytest.importorskip("streams.core.lane", reason="there was no C compiler")

ROOT: Final = Path(__file__).parents[2]
START_MS: Final = 1_767_225_600_000
RULES: Final = Rules(
    [
        Rule("default", 2_000),
        Rule("säumig", 5_000, min_ms=1_000, max_ms=9_000, match={"provider": "pg"}),
        Rule("euro", 3_000, severity="info", match={"provider": "pg", "currency": "EUR"}),
    ]
)
POLICIES: Final = [Policy(single_rule(2_000), 500, 4_000), Policy(RULES, 1_000, 3_000)]

_names = st.sampled_from([None, None, "pg", "", "a" * 64, "naïve", "東京", "🂡" * 64])
_keys = st.one_of(
    st.integers(0, 40).map(lambda number: b"order-%d" % number),
    st.sampled_from([b"k", "ключ".encode(), b"x" * 128, b"y" * 129, "🂡".encode() * 128]),
)
_attempts = st.sampled_from([None, None, None, 1, 2, 255])
_money = st.sampled_from(
    [(None, None), (5, "EUR"), (0, "EUR"), (-(2**63), "JPY"), (2**63 - 1, "XAU")]
)
_submissions = st.builds(
    lambda names, money, **fields: Submission(
        "of no concern",
        kind=names[0],
        provider=names[1],
        merchant=names[2],
        player=names[3],
        traceparent=names[4],
        amount_minor=money[0],
        currency=money[1],
        **fields,
    ),
    st.tuples(_names, _names, _names, _names, _names),
    _money,
    submitted_at=st.integers(-9_000, 2_000).map(lambda ms: START_MS + ms),
    return_within_ms=st.sampled_from([None, None, 1, 700, 30 * 86_400_000]),
    attempt=_attempts,
)
_returns = st.builds(
    Return,
    st.just("of no concern"),
    returned_at=st.just(START_MS),
    outcome=st.sampled_from(["accepted", "accepted", "rejected", "cancelled", "pending", "error"]),
    attempt=_attempts,
    code=st.sampled_from([None, "403", "zu spät"]),
    provider=_names,
    slips=st.sampled_from([(), (), (), ("code",)]),
)
_unreadable = st.just(Unreadable(Record(0, 0, b"", b"", ()), (Problem("f", "is wrong", "{}"),)))
_events = st.one_of(
    st.tuples(st.just(SUBMITTED), st.one_of(_submissions, _submissions, _submissions, _unreadable)),
    st.tuples(st.just(RETURNED), st.one_of(_returns, _returns, _returns, _unreadable)),
)
_steps = st.lists(
    st.tuples(_keys, _events, st.sampled_from([0, 0, 0, 1, 16, 900, 4_000]), st.booleans()),
    max_size=120,
)


def entries_of(steps: list[Any]) -> list[Entry]:
    """Records in the order of a sequence; some came in behind the frontier."""
    entries: list[Entry] = []
    arrival_ms = START_MS
    for offset, (key, (side, event), wait_ms, is_behind) in enumerate(steps):
        arrival_ms += wait_ms
        record = Record(offset, arrival_ms, key, b"", ())
        logged_ms = arrival_ms - 700 if is_behind and offset % 5 == 0 else arrival_ms
        entries.append((arrival_ms, side, offset, event, record, logged_ms))
    return entries


class Run:
    """A tracker and its counts, and everything that can be seen of them."""

    def __init__(self, policy: Policy, *, withheld_ms: int, has_lane: bool) -> None:
        history = History(gap_until_ms=START_MS + withheld_ms)
        with pytest.MonkeyPatch.context() as patch:
            if not has_lane:
                patch.setattr(compiled, "lane", None)
            self.tracker = Tracker(Place("s", "r", 0), policy, history)
        self.tally = Tally(0)
        self.tracker.notes = self.tally.notes
        self.told: list[Decision] = []

    def work(self, entries: list[Entry]) -> None:
        self.told += self.tracker.apply(entries)
        self.told += self.tracker.advance(entries[-1][0], 5)
        self.tally.count()

    def seen(self) -> list[Any]:
        book, closed, timers = self.tracker.book, self.tracker.book.closed, self.tracker.book.timers
        rows = {
            (at, row.scope): row
            for at, second in self.tally._open.items()
            for row in second.rows.values()
        }
        return [
            self.told,
            self.tracker.counts,
            list(book.orders.items()),
            (list(book.changed.items()), book.closings, book.states()),
            (closed.shelves, closed.full_mask, closed.count),
            (timers.buckets, timers.hints, timers.next_ms()),
            rows,
        ]


@settings(max_examples=400)
@given(
    steps=_steps,
    cuts=st.lists(st.integers(1, 9), min_size=1),
    policy=st.sampled_from(POLICIES),
    withheld_ms=st.sampled_from([0, 0, 800]),
)
def test_whatever_comes_both_know_and_tell_the_same(
    steps: list[Any], cuts: list[int], policy: Policy, withheld_ms: int
) -> None:
    entries = entries_of(steps)
    runs = [Run(policy, withheld_ms=withheld_ms, has_lane=it) for it in (True, False)]

    at = part = 0
    while at < len(entries):
        size = cuts[part % len(cuts)]
        for run in runs:
            run.work(entries[at : at + size])
            if part % 4 == 3:
                run.seen().append(run.tracker.book.take_changes())
        at, part = at + size, part + 1

    assert runs[0].seen() == runs[1].seen()


def test_many_orders_fill_the_same_shelves_and_leave_them_again() -> None:
    dice = random.Random(5)
    runs = [Run(POLICIES[0], withheld_ms=0, has_lane=it) for it in (True, False)]
    steps: list[Any] = []
    for number in range(4_000):
        key = b"order-%d" % number
        sent = Submission("of no concern", START_MS + number, provider=f"p{number % 7}")
        steps.append((key, (SUBMITTED, sent), dice.choice([0, 1, 3]), False))
        back = Return("of no concern", START_MS, dice.choice(["accepted", "rejected"]))
        steps.append((key, (RETURNED, back), 0, False))
    entries = entries_of(steps)

    for at in range(0, len(entries), 500):
        for run in runs:
            run.work(entries[at : at + 500])

    assert runs[0].seen() == runs[1].seen()
    assert 0 < runs[0].tracker.book.closed.count < 4_000
    assert len(runs[0].tracker.book.closings) == 4_000
    assert {len(it) for it in runs[0].tracker.book.closings} == {ENTRY_BYTES}


@given(key=st.binary(max_size=128))
def test_an_order_has_the_hash_that_hashlib_gives(key: bytes) -> None:
    assert lane.hash_of(key) == order_hash(key)


def test_a_key_of_more_than_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="a key of 129 bytes is more than one block"):
        lane.hash_of(b"x" * 129)


def test_it_was_compiled_from_the_source_beside_it() -> None:
    folder = ROOT / "streams/core"
    source = b"".join((folder / name).read_bytes() for name in ("lane.pyx", "blake2b.h"))

    assert hashlib.sha256(source).hexdigest() == lane.SOURCE, "install the project anew"


def test_when_a_run_is_over_nothing_is_held_and_nothing_let_go_too_often() -> None:
    keys = [b"order-%d" % number for number in range(500)]
    provider, code, currency = "-".join(["of", "one"]), "".join(["4", "03"]), "".join(["EU", "R"])
    steps: list[Any] = []
    for key in keys:
        sent = Submission("", START_MS, provider=provider, amount_minor=7_000, currency=currency)
        steps.append((key, (SUBMITTED, sent), 3, False))
        steps.append((key, (RETURNED, Return("", START_MS, "accepted", code=code)), 3, False))
    entries = entries_of(steps)
    watched = [provider, code, currency, *keys, *entries, *(entry[3] for entry in entries)]
    counts = []

    for _ in range(3):
        run = Run(POLICIES[1], withheld_ms=0, has_lane=True)
        run.work(entries)
        run.tally.take()
        del run
        gc.collect()
        counts.append(list(map(sys.getrefcount, watched)))

    assert counts[1] == counts[2]  # Of the first, caches keep some.
