"""The picture of a report: one panel a section and unit, one bar a figure, a mark each round.

What a figure is to reach is drawn as a line across its bar.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import matplotlib

matplotlib.use("Agg")  # A file is wanted, no window.

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet

from tests.bench.report import Figure, Report, shown

BAR_INCHES: Final = 0.36
PANEL_INCHES: Final = 1.1  # Of title, axis and gap.
WIDTH_INCHES: Final = 11.0
DOTS_AN_INCH: Final = 110
BAR, MET, MISSED = "#4878a8", "#2a7f3f", "#b03030"

Panel = tuple[str, list[Figure]]


def draw(report: Report, into: Path) -> None:
    """As PNG or SVG, by the file's name; nothing where nothing was measured."""
    panels = list(_panels(report))
    if not panels:
        return
    heights = [PANEL_INCHES + BAR_INCHES * len(figures) for _, figures in panels]
    sheet = Sheet(figsize=(WIDTH_INCHES, sum(heights)), layout="constrained")
    axes = sheet.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
    for (title, figures), row in zip(panels, axes, strict=True):
        _draw_panel(row[0], title, figures)
    sheet.savefig(into, dpi=DOTS_AN_INCH)


def _panels(report: Report) -> Iterator[Panel]:
    for section in report.sections:
        by_unit: dict[str, list[Figure]] = {}
        for figure in section.figures:
            by_unit.setdefault(figure.unit, []).append(figure)
        for unit, figures in by_unit.items():
            yield f"{section.title} ({unit})", figures


def _draw_panel(axes: Axes, title: str, figures: list[Figure]) -> None:
    rows = range(len(figures))
    medians = [figure.median for figure in figures]
    axes.barh(rows, medians, color=BAR, height=0.6)
    for row, figure in zip(rows, figures, strict=True):
        axes.plot(figure.values, [row] * len(figure.values), "k|", markersize=9)
        axes.annotate(shown(figure.median), (figure.median, row), **_BESIDE)
        if figure.reach is not None:
            color = MET if figure.reach.is_met(figure.median) else MISSED
            axes.plot([figure.reach.value] * 2, [row - 0.42, row + 0.42], color=color, linewidth=2)
    axes.set_yticks(rows, [figure.name for figure in figures])
    axes.invert_yaxis()
    axes.set_title(title, loc="left", fontsize=10)
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)


_BESIDE: Final[dict[str, Any]] = {
    "xytext": (6, 0),
    "textcoords": "offset points",
    "va": "center",
    "fontsize": 8,
}
