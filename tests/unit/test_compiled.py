"""What is compiled of the core does in every byte what the Python does that it stands in for."""

import gc
import random
import sys
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_build import digest_of
from schemas.codec import Event
from schemas.events import Return, Submission
from schemas.records import RETURNED, SUBMITTED, Problem, Record, Unreadable
from schemas.stats import SCOPES_A_SECOND_MAX, StatsJson, encode_stats
from streams.core import compiled
from streams.core.closed import order_hash
from streams.core.decisions import Decision, Place
from streams.core.history import History
from streams.core.rules import Policy, Rule, Rules, single_rule
from streams.core.sequence import Entries, Mark, Stretch
from streams.core.stats import Tally
from streams.core.tracker import Tracker

lane = pytest.importorskip("streams.core.compiled.lane", reason="there was no C compiler")
shelves = pytest.importorskip("streams.core.compiled.shelves")

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

TRACE: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

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
    st.tuples(_names, _names, _names, _names, st.sampled_from([None, None, TRACE])),
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


@dataclass(frozen=True)
class Case:
    """Records in the order they are read in, each with its side, and how they are judged."""

    records: list[tuple[int, Record]]
    policy: Policy
    withheld_ms: int = 0


def records_of(steps: list[Any]) -> list[tuple[int, Record]]:
    """A record for each step; some come in behind the frontier."""
    records: list[tuple[int, Record]] = []
    at_ms = START_MS
    for offset, (key, (side, event), wait_ms, is_behind) in enumerate(steps):
        at_ms += wait_ms
        logged_ms = at_ms - 700 if is_behind and offset % 5 == 0 else at_ms
        value, headers = written(event, key)
        records.append((side, Record(offset, logged_ms, key, value, headers)))
    return records


def written(event: Event, key: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """The value and the headers that the event is read from."""
    if isinstance(event, Unreadable):
        return b"{}", []
    fields = msgspec.structs.asdict(event)
    fields["order_id"] = key.decode()
    trace = fields.pop("traceparent", None)
    for name in fields.pop("slips", ()):
        fields[name] = ["wrong"]
    there = {name: value for name, value in fields.items() if value is not None}
    return msgspec.json.encode(there), [("traceparent", trace.encode())] if trace else []


@dataclass
class Seen:
    """Everything that can be seen of a tracker and its counts after they worked records."""

    told: list[Decision]
    taken: list[Any]
    book: list[Any]
    counts: list[Any]


def work(case: Case, sizes: list[int], *, is_compiled: bool) -> Seen:
    """In portions of these sizes, a checkpoint being made after every fourth."""
    with pytest.MonkeyPatch.context() as patch:
        if not is_compiled:
            patch.setattr(compiled, "lane", None)
        history = History(gap_until_ms=START_MS + case.withheld_ms)
        tracker, tally = Tracker(Place("s", "r", 0), case.policy, history), Tally(0)
        tracker.notes = tally.notes
        sequence = compiled.sequence_of((Mark(0), Mark(0)))
        seen = Seen([], [], [], [])
        at, turn = 0, 0
        while at < len(case.records):
            portion = case.records[at : at + sizes[turn % len(sizes)]]
            at, turn = at + len(portion), turn + 1
            entries = taken(sequence, portion, next_offset=at)
            frontier_ms = sequence.frontier_ms
            seen.told += tracker.apply(entries)
            seen.told += tracker.advance(frontier_ms, 5)
            tally.count()
            tally.pass_to(min(frontier_ms, tracker.book.timers.next_ms() or frontier_ms))
            if turn % 4 == 3:
                seen.taken += [changed(tracker), encoded(*tally.take())]
                seen.taken += [sequence.marks(), sequence.records_behind_frontier]
        book, closed, timers = tracker.book, tracker.book.closed, tracker.book.timers
        seen.book = [
            (dict(book.orders.items()), book.states(), book.has_changes()),
            (closed.shelves, closed.full_mask, closed.count),
            (timers.next_ms(), set(timers.overdue(2**62, 2**30))),
            (changed(tracker), timers.due(2**62, 2**30)),
        ]
        seen.counts = [tracker.counts, encoded(*tally.take())]
    return seen


def changed(tracker: Tracker) -> tuple[dict[bytes, bytes | None], bytes]:
    """By key, because the two forms give them in another order."""
    changes, closings = tracker.book.take_changes()
    return dict(changes), closings


def taken(
    sequence: compiled.AnySequence, portion: list[tuple[int, Record]], *, next_offset: int
) -> Entries:
    """What is complete after these records were read of both sides: some wait for the next."""
    for side in (SUBMITTED, RETURNED):
        records = [record for of, record in portion if of == side]
        sequence.feed(side, Stretch(sequence.position(side), next_offset, records))
    sequence.prove(SUBMITTED, 0, max(record.timestamp_ms for _, record in portion) + 1)
    if next_offset % 3:
        sequence.prove(RETURNED, 0, max(record.timestamp_ms for _, record in portion) + 1)
    return sequence.take(2**62)


def encoded(records: list[StatsJson], kept: dict[int, bytes | None]) -> list[Any]:
    """What is told to the byte; of what is kept the order in maps and of money is of no concern."""
    read = {at: value and msgspec.json.decode(value) for at, value in kept.items()}
    for record in filter(None, read.values()):
        for row in record["seconds"][0]["rows"]:
            row.get("money", []).sort(key=itemgetter("currency"))
    return [list(map(encode_stats, records)), read]


@settings(max_examples=1_500)
@given(
    steps=_steps,
    sizes=st.lists(st.integers(1, 9), min_size=1),
    policy=st.sampled_from(POLICIES),
    withheld_ms=st.sampled_from([0, 0, 800]),
)
def test_whatever_comes_both_know_and_tell_the_same(
    steps: list[Any], sizes: list[int], policy: Policy, withheld_ms: int
) -> None:
    case = Case(records_of(steps), policy, withheld_ms)

    assert work(case, sizes, is_compiled=True) == work(case, sizes, is_compiled=False)


def test_many_orders_fill_the_same_shelves_and_leave_them_again() -> None:
    dice = random.Random(5)
    steps: list[Any] = []
    for number in range(4_000):
        key, wait_ms = b"order-%d" % number, dice.choice([0, 1, 3])
        back = Return("", START_MS, dice.choice(["accepted", "rejected"]))
        steps.append((key, (SUBMITTED, Submission("", START_MS + number)), wait_ms, False))
        steps.append((key, (RETURNED, back), 0, False))
    case = Case(records_of(steps), POLICIES[0])

    seen = work(case, [500], is_compiled=True)

    assert seen == work(case, [500], is_compiled=False)
    closed = seen.book[1]
    assert 0 < closed[2] < 4_000
    assert len(closed[0]) > 50


@pytest.mark.parametrize("sign", ['"é', "-"])  # Of names that are not plain, and that are.
@pytest.mark.parametrize("portion", [50_000, 700])  # In the second is a checkpoint, or is none.
@pytest.mark.parametrize("scopes", [3, SCOPES_A_SECOND_MAX - 1, SCOPES_A_SECOND_MAX + 1])
def test_a_second_with_many_scopes_delays_codes_and_currencies_has_the_same_rows(
    scopes: int, portion: int, sign: str
) -> None:
    dice = random.Random(scopes)
    steps: list[Any] = []
    for number in range(3 * scopes + 600):
        sent = Submission(
            "",
            START_MS - dice.choice([0, 1, 20, 500, 70_000, number**2]),
            provider=f"p{number % scopes}{sign}",
            return_within_ms=30 * 86_400_000,
            player=dice.choice([None, f"player {number}"]),
            amount_minor=dice.choice([0, 5, 2**40]),
            currency=dice.choice(["EUR", "USD"] if number % 7 else ["EUR"]),
        )
        code = f"C{number % 40}" if number % 3 == 0 else None
        back = Return("", START_MS, dice.choice(["accepted", "cancelled"]), code=code)
        steps.append((b"order-%d" % number, (SUBMITTED, sent), 0, False))
        steps.append((b"order-%d" % number, (RETURNED, back), 0, False))
    steps.append((b"the last", (SUBMITTED, Submission("", START_MS)), 4_000, False))
    case = Case(records_of(steps), POLICIES[0])

    seen = work(case, [portion], is_compiled=True)

    assert seen == work(case, [portion], is_compiled=False)
    (told,) = [it for taken in (*seen.taken[1::4], seen.counts[1]) for it in taken[0]]
    (second,) = msgspec.json.decode(told)["seconds"]
    assert len(second["rows"]) == min(scopes, SCOPES_A_SECOND_MAX)


@given(key=st.binary(max_size=128))
def test_an_order_has_the_hash_that_hashlib_gives(key: bytes) -> None:
    assert shelves.hash_of(key) == order_hash(key)


def test_a_key_of_more_than_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="a key of 129 bytes is more than one block"):
        shelves.hash_of(b"x" * 129)


def test_it_was_compiled_from_the_sources_beside_it() -> None:
    assert digest_of(ROOT) == lane.SOURCE, "install the project anew"


def test_when_a_run_is_over_nothing_is_held_and_nothing_let_go_too_often() -> None:
    keys = [b"order-%d" % number for number in range(500)]
    provider, code, currency = "-".join(["of", "one"]), "".join(["4", "03"]), "".join(["EU", "R"])
    steps: list[Any] = []
    for key in keys:
        sent = Submission("", START_MS, provider=provider, amount_minor=7_000, currency=currency)
        steps.append((key, (SUBMITTED, sent), 3, False))
        steps.append((key, (RETURNED, Return("", START_MS, "accepted", code=code)), 3, False))
    case = Case(records_of(steps), POLICIES[1])
    records = [record for _, record in case.records]
    watched = [provider, code, currency, *keys, *records, *[record.value for record in records]]
    counts = []

    for _ in range(3):
        work(case, [100], is_compiled=True)
        gc.collect()
        counts.append(list(map(sys.getrefcount, watched)))

    assert counts[1] == counts[2]  # Of the first, caches keep some.
