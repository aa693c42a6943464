"""What was told against what should have been: the audit's two sides, in a temporary SQLite file.

Should have been told is what every account of the stretch tells; wrong is what none of them does.
There is more than one account where it cannot be known when exactly the rules changed, or which
orders a worker withheld.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import orjson

from streams.investigate.scratch import open_scratch

INSERTED_AT_ONCE: Final = 1_000
SHOWN_MAX: Final = 10  # Findings of each kind that are told in full.

MISSING: Final = "missing"
REPEATED: Final = "repeated"
FALSE: Final = "false"
DIFFERENT: Final = "different"
KINDS: Final = (MISSING, REPEATED, FALSE, DIFFERENT)

_TABLES: Final = """
CREATE TABLE expected (
    alert_id TEXT, account INTEGER, place INTEGER, effect INTEGER, frame BLOB, value BLOB,
    PRIMARY KEY (alert_id, account)
) WITHOUT ROWID;
CREATE TABLE told (
    place INTEGER, at INTEGER, alert_id TEXT, effect INTEGER, frame BLOB, value BLOB,
    PRIMARY KEY (place, at)
) WITHOUT ROWID;
CREATE INDEX told_ids ON told (alert_id);
"""
_MISSING: Final = """
SELECT place, -1, alert_id, effect, frame, value, count(*) FROM expected
WHERE NOT EXISTS (SELECT 1 FROM told WHERE told.alert_id = expected.alert_id)
GROUP BY alert_id ORDER BY effect, alert_id
"""
_AGAIN: Final = """
SELECT place, at, alert_id, effect, frame, value,
    row_number() OVER (PARTITION BY alert_id ORDER BY place, at) > 1
FROM told ORDER BY place, at
"""


class Line(NamedTuple):
    """An alert in either table; `place` is its partition, `at` its offset on the alerts topic, -1
    where it should be there."""

    place: int
    at: int
    alert_id: str
    effect_ms: int
    frame: bytes  # Key and CloudEvents headers, as JSON.
    value: bytes


class Finding(NamedTuple):
    """One thing that is wrong; `names` are the fields that are unlike."""

    kind: str
    line: Line
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Excuses:
    """Where too little is known to call an alert wrong: what took effect before a time, by
    partition number, and single alerts by their id."""

    before_ms: Mapping[int, int]
    alert_ids: Set[str]

    def cover(self, line: Line) -> bool:
        """Whether this one is excused."""
        is_early = line.effect_ms < self.before_ms.get(line.place, 0)
        return is_early or line.alert_id in self.alert_ids


@dataclass(slots=True)
class Judgement:
    """What an audit found; `unjudged` are alerts about which too little is known."""

    right: int = 0
    unjudged: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[Finding]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def add(self, finding: Finding) -> None:
        """Count one finding, and keep the first few."""
        self.counts[finding.kind] += 1
        if len(self.first[finding.kind]) < SHOWN_MAX:
            self.first[finding.kind].append(finding)


class Ledger:
    """Takes in both sides, then judges; a context manager over a file of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._expected: list[tuple[Any, ...]] = []
        self._told: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        self._db = open_scratch(self._path, _TABLES)
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def expect(self, account: int, lines: Iterable[Line]) -> None:
        """One account tells these; the same in every account is one."""
        self._expected += [
            (it.alert_id, account, it.place, it.effect_ms, it.frame, it.value) for it in lines
        ]
        if len(self._expected) >= INSERTED_AT_ONCE:
            self._flush()

    def tell(self, line: Line) -> None:
        """This was told."""
        self._told.append(line)
        if len(self._told) >= INSERTED_AT_ONCE:
            self._flush()

    def judge(self, accounts: Mapping[int, int], excuses: Excuses) -> Judgement:
        """Once both sides are in; `accounts` is how many there are of each partition number."""
        self._flush()
        found = Judgement()
        for finding in self._findings(accounts, found):
            if finding.kind != REPEATED and excuses.cover(finding.line):
                found.unjudged += 1
            else:
                found.add(finding)
        return found

    def _findings(self, accounts: Mapping[int, int], found: Judgement) -> Iterator[Finding]:
        for *columns, count in self._db.execute(_MISSING):
            line = Line(*columns)
            if count == accounts[line.place]:
                yield Finding(MISSING, line)
        for *columns, is_again in self._db.execute(_AGAIN):
            line = Line(*columns)
            if is_again:
                yield Finding(REPEATED, line)
            made = self._made(line)
            if not made:
                yield Finding(FALSE, line)
            elif (line.frame, line.value) not in made:
                yield Finding(DIFFERENT, line, _unlike(line, made[0]))
            else:
                found.right += not is_again

    def _made(self, line: Line) -> list[tuple[bytes, bytes]]:
        asked = "SELECT frame, value FROM expected WHERE alert_id = ? AND place = ?"
        return self._db.execute(asked, (line.alert_id, line.place)).fetchall()

    def _flush(self) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT OR REPLACE INTO expected VALUES (?, ?, ?, ?, ?, ?)", self._expected
        )
        self._db.executemany("INSERT INTO told VALUES (?, ?, ?, ?, ?, ?)", self._told)
        self._db.execute("COMMIT")
        self._expected.clear()
        self._told.clear()


def _unlike(line: Line, made: tuple[bytes, bytes]) -> tuple[str, ...]:
    names = []
    for is_one, is_made in zip((line.frame, line.value), made, strict=True):
        one, other = orjson.loads(is_one), orjson.loads(is_made)
        names += [name for name in one | other if one.get(name) != other.get(name)]
    return tuple(names) or ("the order or the spelling of its fields",)
