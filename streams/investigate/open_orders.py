"""What is open now, summed up by provider, merchant, currency and age.

Unanswered are orders that are open and those that have timed out and are still waited for; their
money is at risk. All sums are integers, in minor units.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.times import rfc3339
from streams.core.sequence import NEVER_MS
from streams.investigate.open_rows import CLOSED, HELD, OPEN, TIMED_OUT, Row
from streams.state.header import Header

# The least age of each group in ms, the youngest first.
AGES: Final = {
    "under 10 s": 0,
    "10 s to 1 min": 10_000,
    "1 min to 10 min": 60_000,
    "10 min to 1 h": 600_000,
    "1 h to 1 day": 3_600_000,
    "over 1 day": 86_400_000,
}
BY: Final = ("currency", "provider", "merchant", "age")
UNANSWERED: Final = (OPEN, TIMED_OUT)


@dataclass(slots=True)
class Group:
    """The unanswered orders that have something in common."""

    orders: Counter[str] = field(default_factory=Counter)  # By state.
    oldest_ms: int = 0
    money: dict[str, Counter[str]] = field(default_factory=dict)  # By currency, then state.

    def add(self, row: Row) -> None:
        """Count an open or timed-out order."""
        self.orders[row["state"]] += 1
        self.oldest_ms = max(self.oldest_ms, row["age_ms"])
        if row["currency"] is not None:
            sums = self.money.setdefault(row["currency"], Counter())
            sums[row["state"]] += row["amount_minor"]

    def merge(self, other: "Group") -> None:
        """Take in another group, none of whose orders is in this one."""
        self.orders += other.orders
        self.oldest_ms = max(self.oldest_ms, other.oldest_ms)
        for currency, sums in other.money.items():
            mine = self.money.setdefault(currency, Counter())
            for state, amount in sums.items():  # Adding counters would drop negative sums.
                mine[state] += amount

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        money = {
            currency: {state: sums[state] for state in UNANSWERED}
            for currency, sums in sorted(self.money.items())
        }
        orders = {state: self.orders[state] for state in UNANSWERED}
        return {**orders, "oldest_age_ms": self.oldest_ms, "amount_minor": money}


@dataclass(slots=True)
class OpenOrders:
    """The summary of a snapshot; rows are added as they come."""

    at_ms: int
    partitions: int = 0
    without_state: int = 0
    rows: int = 0
    as_of_ms: int | None = None  # The frontier that is furthest back.
    counts: Counter[str] = field(default_factory=Counter)  # Of orders, by state.
    total: Group = field(default_factory=Group)
    _groups: dict[str, defaultdict[str | None, Group]] = field(
        default_factory=lambda: {by: defaultdict(Group) for by in BY}
    )

    def begin(self, header: Header | None) -> None:
        """The rows that follow are as of this header; None for a partition without state."""
        self.partitions += 1
        if header is None:
            self.without_state += 1
        elif header.frontier_ms != NEVER_MS:
            before_ms = header.frontier_ms if self.as_of_ms is None else self.as_of_ms
            self.as_of_ms = min(before_ms, header.frontier_ms)

    def add(self, row: Row) -> None:
        """Count one row."""
        state = row["state"]
        self.rows += 1
        self.counts[state] += row["closed_orders"] if state == CLOSED else 1
        if state not in UNANSWERED:
            return
        self.total.add(row)
        self._groups["age"][age_group(row["age_ms"])].add(row)
        for by in ("currency", "provider", "merchant"):
            self._groups[by][row[by]].add(row)

    def groups(self, by: str) -> list[tuple[str | None, Group]]:
        """By age from the youngest; by anything else the one with most orders first, equal ones
        by name."""
        groups = self._groups[by]
        if by == "age":
            return [(name, groups[name]) for name in AGES if name in groups]
        return sorted(groups.items(), key=lambda it: (-it[1].orders.total(), it[0] or ""))

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        as_of = None if self.as_of_ms is None else rfc3339(self.as_of_ms)
        return {
            "taken_at": rfc3339(self.at_ms),
            "as_of": as_of,
            "partitions": self.partitions,
            "partitions_without_state": self.without_state,
            "orders": {state: self.counts[state] for state in (*UNANSWERED, HELD, CLOSED)},
            "unanswered": self.total.document(),
            **{
                f"by_{by}": [{by: name, **group.document()} for name, group in self.groups(by)]
                for by in BY
            },
        }


def age_group(age_ms: int) -> str:
    """The name of the group that an age falls into; a clock that is behind makes it young."""
    return [name for name, least_ms in AGES.items() if least_ms <= max(age_ms, 0)][-1]
