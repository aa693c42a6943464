"""One sitting: sections measured in turn, each kept as soon as it is there.

Owns the folder of the results, what happens where a section fails, and a clean end on Ctrl-C or
SIGTERM: brokers, workers and senders are ended by the blocks that started them, what was measured
until then is written, and a second Ctrl-C does not cut that short.
"""

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rich.console import Console

from tests.bench.peers.build import PeersMissing
from tests.bench.picture import draw
from tests.bench.report import Report, Section
from tests.broker.jars import KafkaMissing

WIDTH: Final = 120  # Of the tables, where no terminal says how wide it is.
INTERRUPTED: Final = 130  # What a shell shows after Ctrl-C.
KEPT_IN: Final = Path.home() / ".cache/returnwatch/bench"


@dataclass(frozen=True, slots=True)
class Sitting:
    """What every section is told: how much, how often, where it may put files."""

    orders: int
    rounds: int
    quick: bool
    folder: Path  # Gone afterwards.
    report: Report
    console: Console

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False)

    def values(self, section: str, figure: str, unit: str) -> Sequence[float]:
        """Of a figure measured earlier in this sitting; empty where there is none."""
        for told in self.report.sections:
            for it in told.figures:
                if (told.name, it.name, it.unit) == (section, figure, unit):
                    return it.values
        return ()


@dataclass(frozen=True, slots=True)
class Chapter:
    """A section that can be measured: `measure` adds its figures as they come."""

    name: str
    title: str
    measure: Callable[[Sitting, Section], None]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured, in full and with --quick."""

    orders: tuple[int, int]
    rounds: tuple[int, int]
    chapters: Sequence[Chapter] = field(default_factory=tuple)


def run(command: str, about: str | None, sizes: Sizes) -> int:
    """Reads the command line, measures, writes; the status to end with."""
    arguments = _arguments(command, about, sizes)
    into = arguments.out or KEPT_IN / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
    into.mkdir(parents=True, exist_ok=True)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    chosen = [chapter for chapter in sizes.chapters if chapter.name in arguments.only]
    report = Report(command, datetime.now(UTC).isoformat(timespec="seconds"), _settings(arguments))
    _listen()
    with tempfile.TemporaryDirectory(prefix="returnwatch-bench-") as folder:
        sitting = Sitting(
            orders=arguments.orders,
            rounds=arguments.rounds,
            quick=arguments.quick,
            folder=Path(folder),
            report=report,
            console=console,
        )
        was_interrupted = not _measure_all(sitting, chosen, into)
    return _finish(sitting, into, was_interrupted=was_interrupted)


def _arguments(command: str, about: str | None, sizes: Sizes) -> argparse.Namespace:
    names = [chapter.name for chapter in sizes.chapters]
    parser = argparse.ArgumentParser(
        prog=f"python -m {command}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="SECTION")
    parser.add_argument("--quick", action="store_true", help="smaller loads, one round")
    parser.add_argument("--rounds", type=_positive, help=f"of each; {sizes.rounds[0]}")
    parser.add_argument("--orders", type=_positive, help=f"of a load; {sizes.orders[0]:,}")
    parser.add_argument("--out", type=Path, help=f"folder of the results; in {KEPT_IN}")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or sizes.rounds[arguments.quick]
    arguments.orders = arguments.orders or sizes.orders[arguments.quick]
    return arguments


def _positive(text: str) -> int:
    number = int(text.replace(",", "").replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("has to be at least 1")
    return number


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ("only", "quick", "rounds", "orders")}


def _listen() -> None:
    """The first Ctrl-C or SIGTERM interrupts; the tidying up after it is not interrupted again."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


def _measure_all(sitting: Sitting, chapters: Sequence[Chapter], into: Path) -> bool:
    """Whether it came to its end."""
    for chapter in chapters:
        section = Section(chapter.name, chapter.title)
        sitting.report.sections.append(section)
        sitting.say(f"{chapter.name}: {chapter.title}")
        began_s = time.monotonic()
        try:
            chapter.measure(sitting, section)
        except KeyboardInterrupt:
            section.failed = "interrupted"
            return False
        except (KafkaMissing, PeersMissing) as why:
            section.failed = str(why)
        except Exception as error:  # The sections after it can be measured all the same.
            traceback.print_exc()
            first_line = (str(error).splitlines() or [""])[0]
            section.failed = f"{type(error).__name__}: {first_line}"
        finally:
            section.took_s = time.monotonic() - began_s
            sitting.report.write_json(into / "report.json")
    return True


def _finish(sitting: Sitting, into: Path, *, was_interrupted: bool) -> int:
    report = sitting.report
    report.print(sitting.console)
    draw(report, into / "report.png")
    kept = ", ".join(sorted(str(path) for path in into.glob("report.*")))
    sitting.say(f"Every single value: {kept}")
    if was_interrupted:
        print("Interrupted: what was measured until then is kept.", file=sys.stderr)
        return INTERRUPTED
    return 1 if any(section.failed for section in report.sections) else 0
