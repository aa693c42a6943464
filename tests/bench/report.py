"""What was measured: figures with every raw value, as a table and as JSON.

A figure is what somebody would ask for by name, measured once a round. Nothing here measures.
"""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench.machine import in_json, machine

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Reach:
    """The value that a figure is to reach."""

    value: float
    at_most: bool = False

    def is_met(self, value: float) -> bool:
        return value <= self.value if self.at_most else value >= self.value

    def __str__(self) -> str:
        return f"{'at most' if self.at_most else 'at least'} {shown(self.value)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One value a round, in the order of the rounds; `samples` is what each was made from."""

    name: str
    unit: str
    values: Sequence[float]
    reach: Reach | None = None
    samples: Sequence[Sequence[float]] = ()

    def __post_init__(self) -> None:
        assert self.values, f"{self.name} was not measured"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def verdict(self) -> str:
        """Whether the median reaches what was asked for; empty where nothing was."""
        if self.reach is None:
            return ""
        return "reached" if self.reach.is_met(self.median) else "NOT reached"

    def as_json(self) -> dict[str, Any]:
        told = {
            "name": self.name,
            "unit": self.unit,
            "min": min(self.values),
            "median": self.median,
            "max": max(self.values),
            "values": list(self.values),
        }
        if self.reach is not None:
            told |= {"reach": asdict(self.reach), "reached": self.reach.is_met(self.median)}
        if self.samples:
            told["samples"] = [list(sample) for sample in self.samples]
        return told


@dataclass(slots=True)
class Section:
    """One part of a report; `raw` is what its figures do not say, for programs."""

    name: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
    took_s: float = 0.0
    failed: str = ""  # Why there is no more of it.

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "took_s": round(self.took_s, 1),
            "failed": self.failed,
            "figures": [figure.as_json() for figure in self.figures],
            "raw": self.raw,
        }


@dataclass(slots=True)
class Report:
    """Everything of one sitting, in the order in which it was measured."""

    command: str
    began_at: str
    settings: dict[str, Any]
    sections: list[Section] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "command": self.command,
            "began_at": self.began_at,
            "machine": machine(),
            "settings": self.settings,
            "sections": {section.name: section.as_json() for section in self.sections},
        }

    def write_json(self, into: Path) -> None:
        into.write_bytes(in_json(self.as_json()))

    def print(self, console: Console) -> None:
        for section in self.sections:
            console.print(table(section))
            if section.failed:
                console.print(f"{section.title}: {section.failed}", style="bold")
        console.print("Median of the rounds, with the least and the most of them.")


def table(section: Section) -> Table:
    drawn = Table(title=section.title, title_justify="left")
    drawn.add_column("")
    for name in ("median", "min", "max"):
        drawn.add_column(name, justify="right", no_wrap=True)
    for name in ("unit", "to reach", ""):
        drawn.add_column(name)
    for figure in section.figures:
        spread = ("", "") if len(figure.values) == 1 else _extremes(figure.values)
        reach = str(figure.reach or "")
        drawn.add_row(
            figure.name, shown(figure.median), *spread, figure.unit, reach, figure.verdict()
        )
    return drawn


def shown(value: float) -> str:
    """Three digits are what a measurement is worth."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _extremes(values: Sequence[float]) -> tuple[str, str]:
    return shown(min(values)), shown(max(values))
