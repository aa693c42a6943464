"""Whoever counts, in C or in Python, tells and keeps the same, whatever happens to a tally."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from types import SimpleNamespace
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Return, Submission
from schemas.stats import StatsJson, encode_stats
from streams.core import compiled, notes, stats
from streams.core.orders import Order, State
from streams.core.packing import pack, pack_fresh, unpack
from streams.core.stats import Tally

cells = pytest.importorskip("streams.core.compiled.cells", reason="there was no C compiler")

START_MS: Final = 1_767_225_600_000
TERMS: Final = ("säumig", 2_000, "info")
FAR_MS: Final = 2**40

_names = st.sampled_from([None, None, "pg", "pgé", "", "p", 'g"\\', "a\0", "東京", "🂡" * 64])
_people = st.sampled_from([None, None, "p-1", "Zoë"])
_money = st.sampled_from(
    [(None, None), (5, "EUR"), (-7, "EUR"), (3, "JPY"), (0, "USD"), (2**63 - 1, "USD")]
)
_submissions = st.builds(
    lambda names, people, money, ago_ms: Submission(
        "of no concern", START_MS - ago_ms, None, None, *names, people[0], *money, people[1]
    ),
    st.tuples(_names, _names, _names),
    st.tuples(_people, _people),
    _money,
    st.sampled_from([0, 1, 9, 1_000, 70_000, FAR_MS]),
)
_returns = st.builds(
    Return,
    st.just("of no concern"),
    st.just(START_MS),
    st.sampled_from(["accepted", "accepted", "rejected", "cancelled"]),
    code=st.sampled_from([None, None, "403", "zu spät", *map(str, range(20))]),
)
_places = st.integers(0, 100)
_times = st.integers(-2_500, 2_500)
_acts = st.one_of(
    *[st.tuples(st.just("open"), _times, _submissions)] * 4,
    *[st.tuples(st.just("answer"), _times, st.tuples(_places, _returns))] * 4,
    st.tuples(st.sampled_from(["time out", "forget", "conflict"]), _times, _places),
    st.tuples(st.sampled_from(["pass", "pass", "take", "take", "crash"]), _times, st.none()),
)


@dataclass
class Kept:
    """What a checkpoint holds."""

    orders: dict[int, bytes] = field(default_factory=dict)
    seconds: dict[int, bytes] = field(default_factory=dict)
    complete_ms: int = START_MS


class Run:
    """A tally, and the orders that are counted in it."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.now_ms = START_MS
        self._number = 0
        self._kept = Kept()
        self._crash()

    def make(self, act: tuple[str, int, Any]) -> None:
        """Let one thing happen, so long before or after the newest time."""
        what, ms, about = act
        at_ms = max(self.now_ms + ms, self.complete_ms)
        if what == "open":
            self._open(at_ms, about)
        elif what in ("pass", "take", "crash"):
            getattr(self, f"_{what}")()
        elif what == "answer":
            found = self._find(about[0], State.OPEN)
            if found is not None:
                self.tally.notes.answered(at_ms, about[1], self.orders.pop(found))
        else:
            self._note(what, at_ms, about)
        self.now_ms = max(self.now_ms, at_ms)

    def _open(self, at_ms: int, sent: Submission) -> None:
        self._number += 1
        packed = pack_fresh(sent, 7, TERMS, effect_ms=START_MS)
        self.orders[self._number] = packed
        self.tally.notes.opened(at_ms, sent.amount_minor or 0, packed)

    def _note(self, what: str, at_ms: int, place: int) -> None:
        others = self.tally.notes.others
        if what == "conflict":
            back = Return("", START_MS, "accepted", provider="pg")
            others.append((at_ms, notes.CONFLICTING, back, None))
            return
        number = self._find(place, State.OPEN if what == "time out" else State.TIMED_OUT)
        if number is None:
            return
        order = unpack(self.orders[number])
        assert isinstance(order, Order)
        if what == "forget":
            others.append((at_ms, notes.FORGOTTEN, None, order.sent))
            del self.orders[number]
        else:
            others.append((at_ms, notes.TIMED_OUT, b"order-%d" % number, order.sent))
            order.state = State.TIMED_OUT
            self.orders[number] = pack(order)

    def _find(self, place: int, state: State) -> int | None:
        found = [number for number, packed in self.orders.items() if packed[0] == state]
        return found[place % len(found)] if found else None

    def _pass(self) -> None:
        self.tally.count()
        self.tally.pass_to(self.now_ms)
        self.complete_ms = max(self.complete_ms, (self.now_ms - 1) // 1000 * 1000)

    def _take(self) -> None:
        self.tally.count()
        records, changes = self.tally.take()
        for second_s, value in changes.items():
            if value is None:
                del self._kept.seconds[second_s]
            else:
                self._kept.seconds[second_s] = value
        self._kept.orders, self._kept.complete_ms = dict(self.orders), self.complete_ms
        self.seen.append(told_and_kept(records, changes))

    def _crash(self) -> None:
        self.orders, self.complete_ms = dict(self._kept.orders), self._kept.complete_ms
        self.tally = Tally(0)
        self.tally.restore(self._kept.seconds, self.orders.values())


def told_and_kept(records: list[StatsJson], kept: dict[int, bytes | None]) -> list[Any]:
    """What is told to the byte; of what is kept the order in maps and of money is of no concern."""
    read = {at: value and msgspec.json.decode(value) for at, value in kept.items()}
    for record in filter(None, read.values()):
        for row in record["seconds"][0]["rows"]:
            row.get("money", []).sort(key=itemgetter("currency"))
    return [list(map(encode_stats, records)), read]


@contextmanager
def limits(faces: int, *, is_compiled: bool) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stats, "FACES_MAX", faces)
        if not is_compiled:
            patch.setattr(compiled, "lane", None)
            patch.setattr(compiled, "cells", None)
        yield


def seen(acts: list[Any], faces: int, *, is_compiled: bool) -> list[Any]:
    with limits(faces, is_compiled=is_compiled):
        run = Run()
        for act in acts:
            run.make(act)
        for end in ("take", "pass", "take"):
            run.make((end, 5_000, None))
        return run.seen


@settings(max_examples=1_500, deadline=None)
@given(acts=st.lists(_acts, max_size=60), faces=st.sampled_from([1, 3, 20_000]))
def test_both_tell_and_keep_the_same_whatever_is_let_go_and_restored(
    acts: list[Any], faces: int
) -> None:
    told = seen(acts, faces, is_compiled=True)

    assert told == seen(acts, 20_000, is_compiled=False)


def test_orders_of_one_scope_with_and_without_money_are_told_in_one_row() -> None:
    acts = [
        ("open", 0, Submission("", START_MS, provider="pg", player=player, **money))
        for player in (None, "p-1", "Zoë")
        for money in (
            {},
            {"amount_minor": 5, "currency": "USD"},
            {"amount_minor": 7, "currency": "EUR"},
        )
    ]

    told = seen(acts, 20_000, is_compiled=True)

    assert told[-1][0] == [
        b'{"type":"stats","partition":0,"complete_s":1767225604,"seconds":[{"second_s":1767225600,'
        b'"rows":[{"provider":"pg","submitted":9,"open_orders":9,"money":['
        b'{"currency":"EUR","open_minor":21},{"currency":"USD","open_minor":15}]}]}]}'
    ]


@pytest.mark.parametrize("is_compiled", [True, False])
def test_faces_beyond_the_limit_are_let_go_where_a_second_begins(is_compiled: bool) -> None:
    with limits(50, is_compiled=is_compiled):
        run = Run()

        for number in range(200):
            sent = Submission("", START_MS, provider=f"p{number}")
            run.make(("open", 100, sent))

        assert len(run.tally._counter) < 50 + 10


@pytest.mark.parametrize(
    "card", [b"", b"\0" * 6, b"\0" * 6 + b"\2x", b"\xff" * 7 + b"x", b"\1" * 7 + b"\xc3" * 7]
)
def test_a_card_that_is_none_is_refused(card: bytes) -> None:
    tally = Tally(0)

    with pytest.raises(ValueError, match=r"is cut|decode"):
        tally.notes.opened(START_MS, 1, b"\1" * 41 + card)


def test_a_second_without_cells_is_refused() -> None:
    nothing = SimpleNamespace(counted=None, rows={})
    counter = cells.Counter(lambda _: nothing)
    packed = pack_fresh(Submission("", START_MS), 7, TERMS, effect_ms=START_MS)

    with pytest.raises(TypeError, match="a second without cells"):
        counter.note_opened(START_MS, 1, packed)
    with pytest.raises(TypeError, match="a second without cells"):
        compiled.rows.Teller(counter).kept(7, nothing)  # type: ignore[arg-type] # On purpose.
