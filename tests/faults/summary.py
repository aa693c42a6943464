"""What the long run came to: a row for each family, printed, or kept as JSON or Markdown."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.faults.play import Outcome
from tests.faults.scenario import Scenario

ROWS = pytest.StashKey[list["Row"]]()  # Of the families that were played.
KINDS: Final = ("lost", "repeated", "false", "different", "misordered", "unread")


@dataclass(slots=True)
class Row:
    """The sums of one family; `latest_calm_ms` is the longest delay when all was well again."""

    family: str
    rounds: int = 0
    faults: int = 0
    orders: int = 0
    alerts: int = 0
    dead_letters: int = 0
    restarts: int = 0
    lost: int = 0
    repeated: int = 0
    false: int = 0
    different: int = 0
    misordered: int = 0
    unread: int = 0
    latest_ms: int = 0
    latest_calm_ms: int = 0

    def add(self, scenario: Scenario, outcome: Outcome) -> None:
        """Count one round."""
        report = outcome.report
        self.rounds += 1
        self.faults += scenario.faults
        self.orders += report.orders
        self.alerts += report.alerts
        self.dead_letters += report.letters
        self.restarts += outcome.restarts
        for kind in KINDS:
            setattr(self, kind, getattr(self, kind) + len(getattr(report, kind)))
        self.latest_ms = max(self.latest_ms, report.latest_ms())
        self.latest_calm_ms = max(self.latest_calm_ms, outcome.latest_calm_ms)


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    if not rows:
        return ""
    names = [name.replace("_", " ") for name in asdict(rows[0])]
    cells = [[str(cell) for cell in asdict(row).values()] for row in rows]
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def keep(rows: list[Row], path: Path) -> None:
    """Write them down, in the form that the file's name says."""
    as_json = json.dumps([asdict(row) for row in rows], indent=2)
    path.write_text((as_json if path.suffix == ".json" else table(rows)) + "\n")
