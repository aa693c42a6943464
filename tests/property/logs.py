"""Logs to try the core on: few orders that collide, times on a grid, so that equal ones are common.

A log is a list of steps in the order they happen; `logs_of` writes them to the two topics.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hypothesis import strategies as st

from schemas.records import RETURNED, SUBMITTED, Record
from streams.core.rules import Rule
from tests.property.model import Logs, Terms

BASE_MS: Final = 1_767_225_600_000  # 2026-01-01T00:00:00Z
GRID_MS: Final = 500
RULE: Final = Rule("quick", return_within_ms=2_000, min_ms=500, max_ms=4_000, severity="info")
TERMS: Final = (
    Terms(RULE, hold_ms=1_500, remember_ms=4_000),
    Terms(RULE, hold_ms=2_000, remember_ms=2_000),
    Terms(Rule("plain", return_within_ms=2_500), hold_ms=500, remember_ms=1_500),
)
AFTER_ALL_MS: Final = 60_000  # Later than any timer that the last record can set.
ORDER_IDS: Final = ("a", "b", "ü/3")
GARBAGE: Final = (b"{", b"[]", b"", None, b'{"order_id":"a"}', b"\xff", b'{"order_id":1}')


@dataclass(frozen=True)
class Step:
    """What happens next: after some time, a record of one side, `fields` on top of the usual."""

    side: int
    order_id: str
    wait_ms: int
    fields: tuple[tuple[str, Any], ...] = ()
    key: str | None = None  # Where it is not the order's id; an empty one is no key.
    garbage: int | None = None  # The value is one of GARBAGE.
    gap: int = 0  # Offsets without a record before it: markers, aborted batches.

    def value(self, now_ms: int) -> bytes | None:
        """The record's value; `..._ago_ms` fields become the payload's own time."""
        if self.garbage is not None:
            return GARBAGE[self.garbage]
        fields = dict(self.fields)
        moment = "submitted_at" if self.side == SUBMITTED else "returned_at"
        value = {"order_id": self.order_id, moment: now_ms - fields.pop("ago_ms", 0)}
        return json.dumps(value | fields).encode()


def logs_of(steps: list[Step], start: tuple[int, int] = (0, 0)) -> Logs:
    """The two logs, from the given offsets on."""
    logs: Logs = ([], [])
    next_offsets = list(start)
    now_ms = BASE_MS
    for step in steps:
        now_ms += step.wait_ms
        offset = next_offsets[step.side] + step.gap
        next_offsets[step.side] = offset + 1
        key = step.order_id if step.key is None else step.key
        record = Record(offset, now_ms, key.encode() or None, step.value(now_ms), ())
        logs[step.side].append(record)
    return logs


def end_of(logs: Logs) -> int:
    """A time after every timer of the log."""
    return max((record.timestamp_ms for log in logs for record in log), default=BASE_MS) + (
        AFTER_ALL_MS
    )


def _grid(*steps: int) -> st.SearchStrategy[int]:
    return st.sampled_from([step * GRID_MS for step in steps])


_orders = st.sampled_from((*ORDER_IDS, ORDER_IDS[0], ORDER_IDS[0]))
_off_grid = st.sampled_from([1, 7, -3])  # Within one bucket of the index of deadlines.
_waits = st.one_of(*[_grid(0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3, 5, -1, -2)] * 5, _off_grid)
_gaps = st.sampled_from([0, 0, 0, 0, 1, 3])
_attempts: list[dict[str, Any]] = [
    {},
    {},
    {"attempt": 1},
    {"attempt": 2},
    {"attempt": 2},
    {"attempt": 3},
]
_amounts: list[dict[str, Any]] = [{}, {"amount_minor": -5, "currency": "EUR"}, {"provider": "acme"}]


def _fields(*choices: Sequence[dict[str, Any]]) -> st.SearchStrategy[tuple[tuple[str, Any], ...]]:
    parts = st.tuples(*(st.sampled_from(choice) for choice in choices))
    return parts.map(lambda found: tuple(item for part in found for item in part.items()))


_sent_fields = _fields(
    _attempts,
    [{}, {}, {"return_within_ms": 1}, {"return_within_ms": 1_000}, {"return_within_ms": 9_000}],
    [{}, {}, {"ago_ms": 3_000}, {"ago_ms": -500}],
    [{}, {"kind": "payment", "merchant": "shop-7"}, {"player": "ö"}],
    _amounts,
)
_final_fields = _fields(
    _attempts,
    [{"outcome": "accepted"}, {"outcome": "accepted"}, {"outcome": "rejected"}],
    [{}, {"code": "403"}, {"code": 17, "ago_ms": 700}],
    _amounts,
)
_interim_fields = _fields(
    _attempts,
    [{"outcome": "pending"}, {"outcome": "error", "code": "E1", "message": "no ünit"}],
)
_wrong_fields = _fields(
    [{"attempt": 0}, {"submitted_at": "soon", "returned_at": "soon"}, {"order_id": "x"}]
)

_submissions = st.builds(Step, st.just(SUBMITTED), _orders, _waits, _sent_fields, gap=_gaps)
_finals = st.builds(Step, st.just(RETURNED), _orders, _waits, _final_fields, gap=_gaps)
_interims = st.builds(Step, st.just(RETURNED), _orders, _waits, _interim_fields, gap=_gaps)
_unreadable = st.builds(
    Step, st.integers(SUBMITTED, RETURNED), _orders, _waits, _wrong_fields
) | st.builds(
    Step,
    st.integers(SUBMITTED, RETURNED),
    _orders,
    _waits,
    garbage=st.integers(0, len(GARBAGE) - 1),
    key=st.sampled_from([None, None, "", "stranger"]),
)

_step = st.one_of(_submissions, _submissions, _finals, _finals, _interims, _unreadable)
_few_steps = st.lists(_step, max_size=8)
_many_steps = st.lists(_step, min_size=16, max_size=40)
_of_one_order = _many_steps.map(lambda many: [replace(step, order_id="a") for step in many])
steps = st.one_of(_few_steps, _many_steps, _of_one_order)
_gaps_until = st.one_of(*[st.just(0)] * 3, _grid(*range(1, 12)).map(lambda ms: BASE_MS + ms))
terms = st.builds(
    lambda chosen, until_ms: replace(chosen, gap_until_ms=until_ms),
    st.sampled_from(TERMS),
    _gaps_until,
)


@dataclass(frozen=True)
class Case:
    """One log, what it is judged by, and the frontier it is judged up to."""

    logs: Logs
    terms: Terms
    frontier_ms: int
    start: tuple[int, int] = (0, 0)


def _case(
    happened: list[Step], terms: Terms, early_ms: int | None, start: tuple[int, int] | None
) -> Case:
    logs = logs_of(happened, start or (0, 0))
    frontier_ms = end_of(logs)
    if early_ms is not None:
        frontier_ms = BASE_MS + early_ms
    if start is not None and any(logs):
        first_ms = min(log[0].timestamp_ms for log in logs if log)
        # Without a record worked, nothing says yet where the log was entered.
        terms = replace(terms, cut_ms=first_ms) if first_ms < frontier_ms else terms
    return Case(logs, terms, frontier_ms, start or (0, 0))


_earlier = st.none() | _grid(*range(0, 40))
cases = st.builds(_case, steps, terms, _earlier, st.none())
cases_entered_inside = st.builds(_case, steps, terms, _earlier, st.just((5, 7)))
