"""What upstream writes: orders and returns, as they should be and as they should not, by seed."""

import random
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import TopicPartition

from schemas.records import RETURNED, SUBMITTED, Record
from streams.core.rules import Rule
from tests.property.logs import GARBAGE, Step
from tests.property.model import Terms
from tests.property.values import TOPICS
from tests.simulation.clock import VirtualLoop
from tests.simulation.log import Log, Transaction

RULE: Final = Rule("quick", return_within_ms=1_500, min_ms=300, max_ms=3_000, severity="info")
TERMS: Final = Terms(RULE, hold_ms=1_000, remember_ms=3_000)
RECORDS: Final = (20, 70)
GAPS_S: Final = (0.0, 0.0, 0.001, 0.016, 0.05, 0.1, 0.2, 0.4)
ORDERS: Final = 12  # That are about at a time.
OPEN_S_MAX: Final = 1.5  # How long an upstream transaction stays open.

_ATTEMPTS: Final[Sequence[dict[str, Any]]] = ({}, {}, {}, {"attempt": 1}, {"attempt": 2})
_SENT: Final[Sequence[dict[str, Any]]] = (
    {},
    {},
    {"return_within_ms": 1},
    {"return_within_ms": 1_000},
    {"return_within_ms": 9_000},
    {"ago_ms": 2_000},
    {"kind": "payment", "player": "ö"},
    {"amount_minor": -5, "currency": "EUR"},
    {"attempt": 0},
)
_BACK: Final[Sequence[dict[str, Any]]] = (
    {"outcome": "accepted"},
    {"outcome": "accepted"},
    {"outcome": "accepted"},
    {"outcome": "rejected", "code": "403"},
    {"outcome": "pending"},
    {"outcome": "error", "message": "no ünit"},
    {"outcome": "accepted", "returned_at": "soon"},
)


class Traffic:
    """Everything that upstream will do, drawn beforehand and put on the clock."""

    def __init__(self, loop: VirtualLoop, log: Log, rng: random.Random) -> None:
        self.ends_s = 0.0
        self._loop = loop
        self._log = log
        self._rng = rng

    def plan(self, partitions: int) -> None:
        """Put all records on the clock."""
        rng = self._rng
        count = rng.randint(*RECORDS)
        at_s = rng.random()
        while count > 0:
            group = min(count, rng.randint(1, 4))
            count -= group
            transaction = Transaction(at_s) if rng.random() < 0.25 else None
            for _ in range(group):
                at_s += rng.choice(GAPS_S)
                self._plan_record(at_s, rng.randrange(partitions), transaction)
            if transaction is not None:
                state = "committed" if rng.random() < 0.6 else "aborted"
                decided_s = at_s + rng.random() * OPEN_S_MAX
                self._loop.outside(decided_s, self._log.decide, transaction, state)
                self.ends_s = max(self.ends_s, decided_s)
        self.ends_s = max(self.ends_s, at_s) + 0.5

    def _plan_record(self, at_s: float, partition: int, transaction: Transaction | None) -> None:
        rng = self._rng
        number = int(at_s * 3) + rng.randrange(ORDERS)
        order_id = f"p{partition}-{number // ORDERS * ORDERS + number % 4}"
        side = rng.choice((SUBMITTED, RETURNED))
        fields = rng.choice(_SENT if side == SUBMITTED else _BACK) | rng.choice(_ATTEMPTS)
        garbage = rng.randrange(len(GARBAGE)) if rng.random() < 0.08 else None
        step = Step(side, order_id, 0, tuple(fields.items()), garbage=garbage)
        self._loop.outside(at_s, self._write, partition, step, transaction)

    def _write(self, partition: int, step: Step, transaction: Transaction | None) -> None:
        record = Record(0, 0, step.order_id.encode(), step.value(self._loop.now_ms), ())
        log = self._log.of(TopicPartition(TOPICS[step.side], partition))
        log.append(record, transaction)
