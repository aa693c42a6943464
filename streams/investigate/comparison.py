"""Two sets of alerts against each other: what is only in one, what is unlike, what is there twice.

Both stand in a temporary SQLite file, so that neither has to fit into memory. Alerts are the same
by their id. A time-out under another deadline has another id; where both sides tell one of the
same order and attempt, it counts as changed, not as removed and added.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import orjson

from streams.investigate.scratch import open_scratch
from streams.investigate.spool import Money

INSERTED_AT_ONCE: Final = 1_000
SHOWN_MAX: Final = 10  # Of each kind.

_TABLE: Final = """
CREATE TABLE alerts (
    side INTEGER, alert_id TEXT, times INTEGER, pair TEXT, value BLOB,
    PRIMARY KEY (side, alert_id)
) WITHOUT ROWID
"""
_INSERT: Final = """
INSERT INTO alerts VALUES (?, ?, 1, ?, ?)
ON CONFLICT DO UPDATE SET times = times + 1
"""
_ONLY: Final = """
SELECT pair, alert_id, side, value FROM alerts AS one
WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE side = 1 - one.side AND alert_id = one.alert_id)
ORDER BY pair, side, alert_id
"""
_UNLIKE: Final = """
SELECT a.value, b.value FROM alerts AS a JOIN alerts AS b USING (alert_id)
WHERE a.side = 0 AND b.side = 1 AND a.value <> b.value ORDER BY alert_id
"""


class Change(NamedTuple):
    """An alert before and after; one of them is None where it is only in the other set."""

    before: bytes | None
    after: bytes | None


@dataclass(slots=True)
class Group:
    """The changes of one kind: how many, whose money, and the first few."""

    count: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    money: Money = field(default_factory=Counter)
    first: list[Change] = field(default_factory=list)

    def add(self, change: Change) -> None:
        """Count one more."""
        value: dict[str, Any] = orjson.loads(change.after or change.before or b"{}")
        self.count += 1
        self.by_type[value["type"]] += 1
        if value["currency"] is not None:
            self.money[value["type"], value["currency"]] += value["amount_minor"]
        if len(self.first) < SHOWN_MAX:
            self.first.append(change)


@dataclass(frozen=True, slots=True)
class Differences:
    """What a second set of alerts has more, less or other than a first one."""

    sizes: tuple[int, int]
    repeated: tuple[int, int]  # Told again with an id that was there; counted, else passed over.
    added: Group
    removed: Group
    changed: Group

    @property
    def are_any(self) -> bool:
        """Whether the two sets are unlike."""
        return bool(self.added.count or self.removed.count or self.changed.count)


class Comparison:
    """Takes both sets in, then tells the differences; a context manager over a file of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._db = open_scratch(self._path, _TABLE)
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def take(self, side: int, values: Iterable[bytes]) -> None:
        """Take in the alerts of the first (0) or the second set (1); ValueError for a value that
        is none."""
        waiting: list[tuple[int, str, str, bytes]] = []
        for value in values:
            waiting.append((side, *_names_of(value), value))
            if len(waiting) == INSERTED_AT_ONCE:
                self._insert(waiting)
        self._insert(waiting)

    def differences(self) -> Differences:
        """Once both sets are in."""
        added, removed, changed = Group(), Group(), Group()
        for before, after in self._db.execute(_UNLIKE):
            changed.add(Change(before, after))
        for change in self._only():
            group = added if change.before is None else removed
            (changed if change.before is not None and change.after is not None else group).add(
                change
            )
        sizes, repeated = zip(*map(self._size, (0, 1)), strict=True)
        return Differences(
            (sizes[0], sizes[1]), (repeated[0], repeated[1]), added, removed, changed
        )

    def _only(self) -> Iterator[Change]:
        """Those without one of the same id, in pairs where both sides have the order's attempt."""
        for _, rows in groupby(self._db.execute(_ONLY), key=lambda row: row[0]):
            sides: tuple[list[bytes], list[bytes]] = ([], [])
            for _, _, side, value in rows:
                sides[side].append(value)
            before, after = sides
            pairs = min(len(before), len(after))
            yield from map(Change, before[:pairs], after[:pairs])
            yield from (Change(value, None) for value in before[pairs:])
            yield from (Change(None, value) for value in after[pairs:])

    def _insert(self, waiting: list[tuple[int, str, str, bytes]]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(_INSERT, waiting)
        self._db.execute("COMMIT")
        waiting.clear()

    def _size(self, side: int) -> tuple[int, int]:
        found = self._db.execute(
            "SELECT count(*), coalesce(sum(times - 1), 0) FROM alerts WHERE side = ?", (side,)
        )
        count, again = found.fetchone()
        return int(count), int(again)


def _names_of(value: bytes) -> tuple[str, str]:
    """The alert's id, and what its pair under another deadline shares with it."""
    fields = orjson.loads(value)
    try:
        kind, alert_id = fields["type"], fields["alert_id"]
        if kind in ("timed_out", "returned_late"):
            return alert_id, f"{kind} {fields['attempt']} {fields['order_id']}"
        return alert_id, f"{kind} {alert_id}"
    except (KeyError, TypeError) as error:
        raise ValueError("not an alert of returnwatch") from error
