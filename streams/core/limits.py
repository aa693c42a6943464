"""The limits of the rules: how much may be open, overdue or submitted, and whether it is more.

Takes the records of `order-stats`, each partition number's in their order, and works them second by
second up to the lowest that is complete: the same records in any interleaving give the same
crossings. A limit is exceeded in the first second with more than it allows, and cleared once it was
at most nine tenths of it for CLEAR_S seconds, so that it is not told again and again.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from schemas.limits import LimitCrossed, LimitedScope, Measure, limit_id, second
from schemas.stats import Heartbeat, Stats, StatsRecord, StatsRow

MEASURES: Final = ("open_orders_max", "overdue_orders_max", "submissions_per_s_max")
CLEAR_S: Final = 10
CLEAR_PERMILLE: Final = 900
SCOPES_MAX: Final = 50_000  # Whose open orders are kept, over all partitions; more are left out.
_RATE: Final = "submissions_per_s_max"
_ADVICE: Final = {
    "open_orders_max": "more orders wait for their result than will be worked soon",
    "overdue_orders_max": "too many orders got no result in time",
    "submissions_per_s_max": "orders come in faster than they may",
}

Submitted = dict[tuple[str, str], int]  # By (`provider` or `merchant`, name).
Scope = tuple[int, str | None, str | None, str | None]  # Partition, provider, merchant, kind.


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` of a measure, of all orders whose `by` (provider or merchant) is `of`."""

    rule: str
    measure: str
    by: str
    of: str
    most: int

    @property
    def key(self) -> str:
        """What it limits, and nothing of how much."""
        return f"{self.measure}:{self.by}={self.of}"


@dataclass(slots=True)
class Exceeded:
    """A limit that is exceeded: since when, and since when it has been kept again."""

    limit: Limit
    since_s: int
    below_since_s: int | None = None


@dataclass(slots=True)
class _Kept:
    """Everything that is kept between records; a snapshot is this."""

    complete_s: dict[int, int] = field(default_factory=dict)  # By partition number.
    waiting: dict[int, list[tuple[Scope, tuple[int, int, int]]]] = field(default_factory=dict)
    standing: dict[Scope, tuple[int, int]] = field(default_factory=dict)  # Open, overdue orders.
    exceeded: dict[str, Exceeded] = field(default_factory=dict)
    worked_s: int | None = None  # The next second to be worked.
    partitions: int = 0  # As heartbeats say; 0 before the first.


class Limits:
    """Looks after all limits; `take` says which were crossed."""

    def __init__(self, limits: Iterable[Limit], kept: _Kept | None = None) -> None:
        self._limits = tuple(limits)
        self._kept = kept or _Kept()
        # By (`provider` or `merchant`, name): open and overdue orders of all scopes together.
        self._sums: dict[tuple[str, str], list[int]] = {
            (limit.by, limit.of): [0, 0] for limit in self._limits
        }
        for scope, counts in self._kept.standing.items():
            self._add(scope, counts)

    @classmethod
    def from_bytes(cls, data: bytes, limits: Iterable[Limit]) -> "Limits":
        """As `to_bytes` left it, with the limits of today; ValueError if it is none of ours."""
        try:
            rows = json.loads(data)
            waiting = {
                int(at_s): [(_scope(scope), tuple(counts)) for scope, counts in found]
                for at_s, found in rows["waiting"]
            }
            standing = {_scope(scope): tuple(counts) for scope, counts in rows["standing"]}
            exceeded = [
                Exceeded(Limit(*limit), since_s, below_s)
                for limit, since_s, below_s in rows["exceeded"]
            ]
            kept = _Kept(
                complete_s=dict(rows["complete_s"]),
                waiting=cast(Any, waiting),
                standing=cast(Any, standing),
                exceeded={each.limit.key: each for each in exceeded},
                worked_s=rows["worked_s"],
                partitions=rows["partitions"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"not a state of limits: {error}") from error
        return cls(limits, kept)

    def to_bytes(self) -> bytes:
        """All that is kept."""
        kept = self._kept
        document = {
            "complete_s": sorted(kept.complete_s.items()),
            "waiting": sorted(kept.waiting.items()),
            "standing": list(kept.standing.items()),
            "exceeded": [
                (_fields(it.limit), it.since_s, it.below_since_s) for it in kept.exceeded.values()
            ],
            "worked_s": kept.worked_s,
            "partitions": kept.partitions,
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

    def take(self, record: StatsRecord) -> list[LimitCrossed]:
        """Take in the next record of a partition number; what was crossed."""
        kept = self._kept
        before_s = kept.complete_s.get(record.partition, record.complete_s)
        kept.complete_s[record.partition] = max(before_s, record.complete_s)
        if isinstance(record, Heartbeat):
            kept.partitions = record.partitions
        else:
            self._keep(record)
        if not kept.partitions or len(kept.complete_s) < kept.partitions:
            return []
        return self._work(min(kept.complete_s.values()))

    def _keep(self, record: Stats) -> None:
        if not self._sums:
            return
        for of in record.seconds:
            rows = [
                (_scope_of(record.partition, row), _counts_of(row))
                for row in of.rows
                if not row.other and self._is_limited(row)
            ]
            if rows:
                self._kept.waiting.setdefault(of.second_s, []).extend(rows)

    def _is_limited(self, row: StatsRow) -> bool:
        return any(of in self._sums for of in _owners(row.provider, row.merchant))

    def _add(self, scope: Scope, counts: tuple[int, int]) -> None:
        for of in _owners(scope[1], scope[2]):
            sums = self._sums.get(of)
            if sums is not None:
                sums[0] += counts[0]
                sums[1] += counts[1]

    def _work(self, to_s: int) -> list[LimitCrossed]:
        kept = self._kept
        told: list[LimitCrossed] = []
        due = sorted(at_s for at_s in kept.waiting if at_s < to_s)
        if kept.worked_s is None:
            kept.worked_s = due[0] if due else to_s
        for at_s in due:
            if at_s > kept.worked_s:
                told += self._look((kept.worked_s, at_s - 1), {})
            told += self._look((at_s, at_s), self._take_in(kept.waiting.pop(at_s)))
            kept.worked_s = max(kept.worked_s, at_s + 1)
        if to_s > kept.worked_s:
            told += self._look((kept.worked_s, to_s - 1), {})
            kept.worked_s = to_s
        return told

    def _take_in(self, rows: Sequence[tuple[Scope, tuple[int, int, int]]]) -> Submitted:
        """Note what stands now; how much was submitted, by whom it counts for."""
        standing = self._kept.standing
        submitted: Submitted = defaultdict(int)
        for scope, (sent, in_open, overdue) in rows:
            for of in _owners(scope[1], scope[2]):
                submitted[of] += sent
            before = standing.pop(scope, (0, 0))
            if (in_open or overdue) and len(standing) < SCOPES_MAX:
                standing[scope] = (in_open, overdue)
            now = standing.get(scope, (0, 0))
            self._add(scope, (now[0] - before[0], now[1] - before[1]))
        return submitted

    def _look(self, span: tuple[int, int], submitted: Submitted) -> list[LimitCrossed]:
        """Compare what holds from the first to the last second of a span."""
        told = [
            crossed
            for limit in self._limits
            if (crossed := self._compare(limit, self._value(limit, submitted), span)) is not None
        ]
        today = {limit.key for limit in self._limits}
        for key in [key for key in self._kept.exceeded if key not in today]:  # No limit any more.
            gone = self._kept.exceeded.pop(key)
            told.append(_crossed(gone, "cleared", value=0, at_s=span[0]))
        return told

    def _compare(self, limit: Limit, value: int, span: tuple[int, int]) -> LimitCrossed | None:
        first_s, last_s = span
        exceeded = self._kept.exceeded.get(limit.key)
        if exceeded is None:
            if value <= limit.most:
                return None
            exceeded = Exceeded(limit, first_s)
            self._kept.exceeded[limit.key] = exceeded
            return _crossed(exceeded, "exceeded", value=value, at_s=first_s)
        exceeded.limit = limit
        if value * 1_000 > limit.most * CLEAR_PERMILLE:
            exceeded.below_since_s = None
            return None
        if exceeded.below_since_s is None:
            exceeded.below_since_s = first_s
        cleared_s = exceeded.below_since_s + CLEAR_S - 1
        if last_s < cleared_s:
            return None
        del self._kept.exceeded[limit.key]
        return _crossed(exceeded, "cleared", value=value, at_s=cleared_s)

    def _value(self, limit: Limit, submitted: Submitted) -> int:
        of = limit.by, limit.of
        if limit.measure == _RATE:
            return submitted.get(of, 0)
        return self._sums[of][MEASURES.index(limit.measure)]


def _crossed(
    exceeded: Exceeded, state: Literal["exceeded", "cleared"], *, value: int, at_s: int
) -> LimitCrossed:
    limit = exceeded.limit
    scope = {"provider": None, "merchant": None, limit.by: limit.of}
    what = _ADVICE[limit.measure]
    advice = (
        f"{what}: stop taking orders for {limit.by} {limit.of} until this is cleared"
        if state == "exceeded"
        else f"orders for {limit.by} {limit.of} can be taken again"
    )
    return LimitCrossed(
        limit_id=limit_id(limit.measure, (limit.by, limit.of), exceeded.since_s),
        state=state,
        limit=cast(Measure, limit.measure),
        max=limit.most,
        value=value,
        scope=LimitedScope(scope["provider"], scope["merchant"]),
        rule=limit.rule,
        since=second(exceeded.since_s),
        told_at=second(at_s + 1),
        advice=advice,
    )


def _owners(provider: str | None, merchant: str | None) -> list[tuple[str, str]]:
    """Whom an order with these fields counts for."""
    named = (("provider", provider), ("merchant", merchant))
    return [(by, of) for by, of in named if of is not None]


def _scope_of(partition: int, row: StatsRow) -> Scope:
    return partition, row.provider, row.merchant, row.kind


def _counts_of(row: StatsRow) -> tuple[int, int, int]:
    return row.submitted, row.open_orders, row.overdue_orders


def _scope(fields: list[Any]) -> Scope:
    partition, provider, merchant, kind = fields
    return partition, provider, merchant, kind


def _fields(limit: Limit) -> tuple[str, str, str, str, int]:
    return limit.rule, limit.measure, limit.by, limit.of, limit.most
