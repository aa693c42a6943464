"""What has to be told about the traffic that was sent, held against what was told.

The truth comes from the traffic alone; the tally from the topics that the worker wrote. Pure.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from streams.demo.traffic import VERDICTS, Event, Fate

Verdict = tuple[str, str]  # (order id, type of the alert or `dead_letter`)


@dataclass(slots=True)
class Truth:
    """What has to be told, as far as the traffic was sent."""

    orders: dict[str, Fate] = field(default_factory=dict)
    verdicts: set[Verdict] = field(default_factory=set)
    settled_ms: int = 0  # When everything that was sent has led to whatever it leads to.

    def note(self, event: Event) -> None:
        """This event was sent."""
        order_id = event.key.decode()
        self.orders[order_id] = event.fate
        self.settled_ms = max(self.settled_ms, event.settled_ms)
        if event.tells is not None:
            assert (order_id, event.tells) not in self.verdicts, "one verdict, one cause"
            self.verdicts.add((order_id, event.tells))


@dataclass(frozen=True, slots=True)
class Row:
    """Of one fate: how many orders, and about how many of them all was told as it has to be."""

    fate: Fate
    verdicts: tuple[str, ...]
    orders: int
    right: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where what was told is not what has to be told; three empty lists if it is."""

    missing: list[Verdict]
    repeated: list[Verdict]
    false: list[Verdict]
    rows: list[Row]


def compare(truth: Truth, told: Counter[Verdict]) -> Comparison:
    """Hold what was told against the truth."""
    return Comparison(
        missing=sorted(truth.verdicts - told.keys()),
        repeated=sorted(verdict for verdict, times in told.items() if times > 1),
        false=sorted(told.keys() - truth.verdicts),
        rows=list(_rows(truth, told)),
    )


def _rows(truth: Truth, told: Counter[Verdict]) -> Iterator[Row]:
    wanted, got = _by_order(Counter(truth.verdicts)), _by_order(told)
    orders = Counter(truth.orders.values())
    right = Counter(
        fate for order_id, fate in truth.orders.items() if wanted.get(order_id) == got.get(order_id)
    )
    for fate in Fate:
        if fate is Fate.CUT_OFF and not orders[fate]:  # A run too short for an outage.
            continue
        yield Row(fate, VERDICTS[fate], orders[fate], right[fate])


def _by_order(verdicts: Counter[Verdict]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for (order_id, kind), times in verdicts.items():
        found.setdefault(order_id, Counter())[kind] = times
    return found
