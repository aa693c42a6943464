"""Charges for tests: the real core and a real watch, no broker behind them."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.records import RETURNED, SUBMITTED, Record
from streams.charge import Charge, Pace, Rhythm
from streams.clock import WorkerClock
from streams.core.rules import Policy, single_rule
from streams.core.sequence import NEVER_MS
from streams.guards import Holds
from streams.state.changelog import State
from streams.state.header import Header, Progress, first_header
from streams.state.ledger import Page, Written
from streams.watch import Duty, Instant, Watch

START_MS: Final = 1_767_225_600_000  # 2026-01-01T00:00:00Z
RETURN_WITHIN_MS: Final = 2_000
DUTY: Final = Duty(
    app_id="returnwatch",
    submitted_topic="order-submitted",
    returned_topic="order-returned",
    alerts_topic="order-alerts",
    dead_letters_topic="order-dead-letters",
    policy=Policy(single_rule(RETURN_WITHIN_MS), hold_ms=5_000, remember_ms=60_000),
    worker="test:1",
)


@dataclass(slots=True)
class Clock:
    """A wall clock that stands until it is set."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass(slots=True)
class Pages:
    """A ledger that keeps its pages in a list."""

    written: list[Page] = field(default_factory=list)

    async def write(self, page: Page) -> Written:
        self.written.append(page)
        return Written(None, 0.0, 0.0)

    async def close(self) -> None:
        """There is nothing to close."""


def a_header() -> Header:
    start = Progress(0, NEVER_MS, None)
    return first_header((start, start), partitions=4, policy_digest=DUTY.policy.digest())


def new_charge(clock: Clock, *, partition: int = 0, holds: Holds | None = None) -> Charge:
    """A partition number with nothing in its state, open at offset 0."""
    rhythm = Rhythm(
        interval_s=60,
        edge_ms=2_000,
        pace=Pace(1_000),
        instant=lambda: Instant(clock()),
        holds=Holds() if holds is None else holds,
        clock=WorkerClock(None, wall_ms=clock),
    )
    watch = Watch(DUTY, partition, State(header=a_header()))
    ledger: Any = Pages()
    return Charge(watch, ledger, DUTY.inputs(partition), rhythm, opening=1)


def submit(charge: Charge, order_id: str, at_ms: int) -> None:
    """The next record of the submitted topic."""
    _feed(charge, SUBMITTED, {"order_id": order_id, "submitted_at": at_ms}, at_ms)


def answer(charge: Charge, order_id: str, at_ms: int, outcome: str = "accepted") -> None:
    """The next record of the returned topic."""
    fields = {"order_id": order_id, "returned_at": at_ms, "outcome": outcome}
    _feed(charge, RETURNED, fields, at_ms)


def _feed(charge: Charge, side: int, fields: dict[str, Any], at_ms: int) -> None:
    offset = charge.watch.sequence.position(side)
    key = str(fields["order_id"]).encode()
    record = Record(offset, at_ms, key, json.dumps(fields).encode(), ())
    charge.watch.feed(side, (offset, offset + 1), [record])
