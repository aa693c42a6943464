"""The confusion matrix of causes as a picture."""

from collections import Counter
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def draw(matrix: "Counter[tuple[str, str]]", names: tuple[str, ...], path: Path) -> None:
    """Write it as PNG or SVG, by the file's name: rows are what it was, shaded by their share."""
    counts = [[matrix[true, said] for said in names] for true in names]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    figure, axes = pyplot.subplots(figsize=(8, 7))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for at, row in enumerate(counts):
        for column, count in enumerate(row):
            if count:
                dark = shares[at][column] > 0.5
                axes.text(column, at, count, ha="center", va="center", color="w" if dark else "k")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("said first")
    axes.set_ylabel("what it was")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
