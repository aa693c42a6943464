"""The results of a comparison as tables for people, as JSON for programs, as a report's figures."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench.contestants import AIOKAFKA, CONTESTANTS, FLINK, OURS, STREAMS
from tests.bench.machine import in_json, machine
from tests.bench.race import Result
from tests.bench.report import Figure, Reach

FORMAT: Final = 1
RATE_UNIT: Final = "events/s"
CPU_UNIT: Final = "us CPU an event"
VALUES: Final[dict[str, Callable[[Result], float]]] = {
    RATE_UNIT: lambda result: result.events_per_s,
    CPU_UNIT: lambda result: result.cpu_us,
}
# What is to be reached: rates where both are held to one core, CPU in either case.
CPU_REACH: Final = Reach(4.5, at_most=True)
RATIO_REACH: Final = {
    (RATE_UNIT, STREAMS): Reach(4.0),
    (RATE_UNIT, FLINK): Reach(1.5),
    (CPU_UNIT, FLINK): Reach(1.0, at_most=True),
    (CPU_UNIT, AIOKAFKA): Reach(1.6, at_most=True),
}
COLUMNS: Final = (
    "events/s",
    "steady",
    "us CPU an event",
    "steady us",
    "cores",
    "MB",
    "x Streams",
    "x Flink",
)


def print_standings(console: Console, results: Sequence[Result], *, short_records: int) -> None:
    for pinned in (False, True):
        some = [result for result in results if result.pinned == pinned]
        if some:
            console.print(_table(some, pinned))
    console.print(
        "Median, with the least and the most of all rounds. Steady: without the first third of "
        "the records, where a JVM warms up. Times: against Kafka Streams in memory and Flink "
        "exactly once, of the same sitting."
    )
    if any(result.records == short_records for result in results):
        console.print(f"* over a shorter stretch, {short_records:,} records")


def raw(results: Sequence[Result], **settings: Any) -> bytes:
    """Every single run, with what it ran on; ratios and medians can be made from it."""
    document = {"format": FORMAT, "machine": machine(), "settings": settings}
    return in_json(document | {"runs": runs_of(results)})


def runs_of(results: Sequence[Result]) -> list[dict[str, Any]]:
    return [
        asdict(result) | {"events_per_s": result.events_per_s, "cpu_us": result.cpu_us}
        for result in results
    ]


def figures(results: Sequence[Result]) -> Iterator[Figure]:
    """Rates and CPU of everybody, and ours against the references, round by round."""
    for pinned in (False, True):
        some = [result for result in results if result.pinned == pinned]
        where = "one core" if pinned else "all cores"
        for unit, value in VALUES.items():
            for contestant in CONTESTANTS:
                own = _values(some, contestant.name, value)
                if own:
                    reach = CPU_REACH if (contestant.name, unit) == (OURS, CPU_UNIT) else None
                    yield Figure(f"{contestant.title}, {where}", unit, own, reach)
        for (unit, other), reach in RATIO_REACH.items():
            found = _paired(some, other, VALUES[unit])
            if found:
                name = f"{unit}, {where}, of those of {_title(other)}"
                yield Figure(name, "times", found, reach if pinned or unit == CPU_UNIT else None)


def _table(results: Sequence[Result], pinned: bool) -> Table:
    where = "pinned to one core, the broker on another" if pinned else "all cores to be had"
    table = Table(title=f"One process, {where}")
    table.add_column("")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    table.add_column("alerts")
    references = [_rate(results, STREAMS), _rate(results, FLINK)]
    longest = max(result.records for result in results)
    for contestant in CONTESTANTS:
        own = [result for result in results if result.name == contestant.name]
        if own:
            star = "*" if own[0].records < longest else ""
            table.add_row(contestant.title + star, *_cells(own, references))
    return table


def _cells(own: Sequence[Result], references: Sequence[float]) -> list[str]:
    finished = [result for result in own if not result.failed]
    if not finished:
        return [""] * len(COLUMNS) + [own[0].failed]
    rate = statistics.median(result.events_per_s for result in finished)
    return [
        _spread(finished, lambda result: result.events_per_s, "{:,.0f}"),
        _steady(finished, lambda result: result.steady_events_per_s, "{:,.0f}"),
        _spread(finished, lambda result: result.cpu_us, "{:.2f}"),
        _steady(finished, lambda result: result.steady_cpu_us, "{:.2f}"),
        f"{statistics.median(result.cpu_s / result.took_s for result in finished):.2f}",
        f"{max(result.resident_mb for result in finished):.0f}",
        *(f"{rate / reference:.2f}" if reference else "" for reference in references),
        _told(own),
    ]


def _spread(results: Sequence[Result], of: Callable[[Result], float], form: str) -> str:
    found = sorted(of(result) for result in results)
    middle = form.format(statistics.median(found))
    if len(found) == 1:
        return middle
    return f"{middle} ({form.format(found[0])} to {form.format(found[-1])})"


def _steady(results: Sequence[Result], of: Callable[[Result], float], form: str) -> str:
    """Empty where the runs were too short for it."""
    found = [of(result) for result in results if result.steady_events_per_s]
    return form.format(statistics.median(found)) if found else ""


def _told(own: Sequence[Result]) -> str:
    """Right, or what was wrong in the worst round."""
    failed = [result.failed for result in own if result.failed]
    if failed:
        return f"{len(failed)} of {len(own)} rounds: {failed[0]}"
    wrong = [result.alerts for result in own if not result.is_right]
    if not wrong:
        told = own[0].alerts
        return f"{told['expected']:,}, right" if told else ""
    worst = max(wrong, key=lambda told: told["expected"] - told["right"] + told["wrong"])
    return (
        f"WRONG: {worst['right']:,} of {worst['expected']:,}, "
        f"{worst['wrong']:,} false, {worst['twice']:,} repeated"
    )


def _rate(results: Sequence[Result], name: str) -> float:
    found = [at.events_per_s for at in results if at.name == name and not at.failed]
    return statistics.median(found) if found else 0.0


def _values(results: Sequence[Result], name: str, value: Callable[[Result], float]) -> list[float]:
    return [value(at) for at in results if at.name == name and not at.failed]


def _paired(results: Sequence[Result], other: str, value: Callable[[Result], float]) -> list[float]:
    """Ours of each round against another's of the same; a round that failed is left out."""
    ours = [result for result in results if result.name == OURS]
    theirs = [result for result in results if result.name == other]
    return [
        value(one) / value(two)
        for one, two in zip(ours, theirs, strict=False)
        if not one.failed and not two.failed and value(two)  # No tick of CPU: it was too short.
    ]


def _title(name: str) -> str:
    return next(contestant.title for contestant in CONTESTANTS if contestant.name == name)
