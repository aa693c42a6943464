"""How costs grow: with the open orders, with the partitions, and with a million due at once.

One report, as of `python -m tests.bench`. --orders is how many are due at once, and bounds the
sizes that go through a broker.
"""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import orjson

from tests.bench.flood import PER_S, flooded
from tests.bench.load import Load, a_return, fill, load_topics, submission
from tests.bench.report import Figure, Reach, Section
from tests.bench.restart import READY_TIMEOUT_S, Restart, holding, restarted
from tests.bench.sections import kafka
from tests.bench.sitting import Chapter, Sitting, Sizes, run
from tests.bench.standings import CPU_UNIT, RATE_UNIT
from tests.bench.steady import SCATTER
from tests.bench.throughput import CaughtUp, catch_up, is_worked
from tests.bench.usage import cpu_s
from tests.broker.process import ChildProcess
from tests.broker.topics import Names, create_topics, new_names
from tests.broker.worker import WorkerProcess

SMALLEST: Final = 10_000  # What the others are compared with.
SIZES: Final = (SMALLEST, 100_000, 1_000_000, 5_000_000)
QUICK_SIZE_MAX: Final = 100_000
PARTITIONS: Final = (1, 4, 32, 128)
SIZE_PARTITIONS: Final = 4
LOAD_ORDERS: Final = 500_000  # At most, over partitions.
EVENTS: Final = (400_000, 100_000)  # Measured, in full and with --quick.
TURNED_OVER: Final = 1.2  # Of the open orders, or more: what is done now and then is in it once.
STEADY_TIMEOUT_S: Final = 1_800.0
NO_CLIFF: Final = Reach(1.5, at_most=True)
BUCKET_MS: Final = 16  # streams/core/timers.py: within one, the order is not kept.


def core(sitting: Sitting, section: Section) -> None:
    """In process, without a broker: what does an event cost with so many open?"""
    found: dict[int, list[dict[str, Any]]] = {}
    try:
        for size in _sizes(sitting, SIZES):
            found[size] = [_steady(sitting, size) for _ in range(sitting.rounds)]
            told = _cpu_us(found[size])
            sitting.say(f"{size:,} open: {' '.join(f'{us:.2f}' for us in told)} us CPU an event")
    finally:
        section.raw["runs"] = {str(size): runs for size, runs in found.items()}
        section.figures += _of_core(found)


def _of_core(found: dict[int, list[dict[str, Any]]]) -> Iterator[Figure]:
    for size, runs in found.items():
        yield Figure(f"{size:,} open", CPU_UNIT, _cpu_us(runs))
    for size, runs in list(found.items())[1:]:
        grown = _times(_cpu_us(runs), _cpu_us(found[SMALLEST]))
        yield Figure(f"{size:,} open, of {SMALLEST:,}", "times", grown, NO_CLIFF)
    for size, runs in found.items():
        yield Figure(f"{size:,} open, longest step", "ms", [it["steps_ms"][-1] for it in runs])
    for size, runs in found.items():
        yield Figure(f"{size:,} open", "bytes an order", [it["bytes_an_order"] for it in runs])
    for size, runs in found.items():
        rates = [size / max(it["put_back_s"], 0.001) for it in runs]
        yield Figure(f"{size:,} open, put back once read", "orders/s", rates)


def _steady(sitting: Sitting, size: int) -> dict[str, Any]:
    """In a process of its own, so that nothing else is in its memory."""
    events = max(EVENTS[sitting.quick], int(2 * TURNED_OVER * size))
    command = [sys.executable, "-m", "tests.bench.steady", str(size), str(events)]
    output = sitting.folder / "steady.log"
    output.unlink(missing_ok=True)
    process = ChildProcess(command, output, env=_environment(), cwd=sitting.folder)
    try:
        status = process.wait(STEADY_TIMEOUT_S)
    finally:
        process.terminate(1)
    assert status == 0, process.text()
    told: dict[str, Any] = orjson.loads(process.text().splitlines()[-1])
    return told


def _cpu_us(runs: list[dict[str, Any]]) -> list[float]:
    return [it["cpu_s"] / it["events"] * 1e6 for it in runs]


def broker(sitting: Sitting, section: Section) -> None:
    """Through a broker: memory, restore, and what an event costs a whole worker."""
    events = EVENTS[sitting.quick]
    sizes = [size for size in _sizes(sitting, SIZES) if size <= max(sitting.orders, SMALLEST)]
    found: dict[int, list[tuple[Restart, float]]] = {}
    try:
        for size in sizes:
            found[size] = [_crowd(sitting, size, events) for _ in range(sitting.rounds)]
            for restart, cpu_us in found[size]:
                sitting.say(f"{cpu_us:.2f} us CPU an event; {restart}")
    finally:
        section.figures += _of_crowds(found)
        section.raw["runs"] = {
            str(size): [asdict(restart) | {"cpu_us": cpu_us} for restart, cpu_us in runs]
            for size, runs in found.items()
        }


def _of_crowds(found: dict[int, list[tuple[Restart, float]]]) -> Iterator[Figure]:
    for size, runs in found.items():
        yield Figure(f"{size:,} open", CPU_UNIT, [cpu_us for _, cpu_us in runs])
    for size, runs in list(found.items())[1:]:
        smallest = [cpu_us for _, cpu_us in found[SMALLEST]]
        grown = _times([cpu_us for _, cpu_us in runs], smallest)
        yield Figure(f"{size:,} open, of {SMALLEST:,}", "times", grown, NO_CLIFF)
    for size, runs in found.items():
        yield Figure(f"{size:,} open, resident", "MB", [it.rss_mb for it, _ in runs])
        yield Figure(f"{size:,} open, restored", "orders/s", [it.orders_per_s for it, _ in runs])
        yield Figure(f"{size:,} open, start to ready", "s", [it.ready_s for it, _ in runs])


def _crowd(sitting: Sitting, size: int, events: int) -> tuple[Restart, float]:
    """Restarted with so many open, then again with events waiting: what those cost beside."""
    with kafka() as cluster:
        names = new_names()
        create_topics(cluster.bootstrap, names.topics(SIZE_PARTITIONS))
        with holding(cluster.bootstrap, names, size, folder=sitting.folder) as worker:
            worker.terminate()
            restart = restarted(worker, size)
            worker.terminate()
            _fill_events(cluster.bootstrap, names, size, events // 2)
            worker.start()
            worker.wait_until_ready(READY_TIMEOUT_S)
            while not is_worked(worker, SIZE_PARTITIONS):
                time.sleep(0.2)
            used_s = cpu_s(worker.process.pid) - restart.cpu_s
            worker.terminate()
    return restart, used_s / (events // 2 * 2) * 1e6


def _fill_events(bootstrap: str, names: Names, first: int, count: int) -> None:
    """So many new orders, and then their results in scattered order."""
    now_ms = time.time_ns() // 1_000_000
    orders = (submission(first + at, now_ms) for at in range(count))
    results = (a_return(first + at * SCATTER % count, now_ms) for at in range(count))
    fill(bootstrap, names.submitted, orders)
    fill(bootstrap, names.returned, results)


def partitions(sitting: Sitting, section: Section) -> None:
    """The same load over more and more partitions, and a restart with as many orders open."""
    load = Load(min(sitting.orders, LOAD_ORDERS))
    found: dict[int, list[tuple[CaughtUp, Restart]]] = {}
    try:
        for count in PARTITIONS:
            found[count] = []
            for _ in range(sitting.rounds):
                found[count].append(_over(sitting, load, count))
                sitting.say(f"{count} partitions: {'; '.join(map(str, found[count][-1]))}")
    finally:
        section.figures += _of_partitions(found)
        section.raw["runs"] = {
            str(count): [asdict(caught_up) | {"restart": asdict(it)} for caught_up, it in runs]
            for count, runs in found.items()
        }


def _over(sitting: Sitting, load: Load, count: int) -> tuple[CaughtUp, Restart]:
    with kafka() as cluster:
        names = new_names()
        load_topics(cluster.bootstrap, names, load, partitions=count)
        env = names.env(cluster.bootstrap, RETURNWATCH_ACCEPT_CREATE_TIME="true")
        with WorkerProcess(env, sitting.folder) as worker:
            caught_up = catch_up(worker, load, partitions=count)
            worker.terminate()
        open_at_most = load.open_at_most
        names = new_names()
        create_topics(cluster.bootstrap, names.topics(count))
        with holding(cluster.bootstrap, names, open_at_most, folder=sitting.folder) as worker:
            worker.terminate()
            restart = restarted(worker, open_at_most)
            worker.terminate()
    return caught_up, restart


def _of_partitions(found: dict[int, list[tuple[CaughtUp, Restart]]]) -> Iterator[Figure]:
    runs_of = {f"{count} partitions": runs for count, runs in found.items() if runs}
    for who, runs in runs_of.items():
        yield Figure(who, RATE_UNIT, [it.events_per_s for it, _ in runs])
    for who, runs in runs_of.items():
        yield Figure(who, CPU_UNIT, [it.cpu_us for it, _ in runs])
    for who, runs in runs_of.items():
        yield Figure(f"{who}, resident", "MB", [it.rss_mb for it, _ in runs])
    for who, runs in runs_of.items():
        yield Figure(f"{who}, restored", "s", [it.restore_s for _, it in runs])
        yield Figure(f"{who}, start to ready", "s", [it.ready_s for _, it in runs])


def due(sitting: Sitting, section: Section) -> None:
    """All due within a second, while other traffic goes on."""
    with kafka() as cluster:
        found = []
        for _ in range(sitting.rounds):
            found.append(flooded(cluster.bootstrap, sitting.folder, sitting.orders))
            sitting.say(f"{found[-1].alerts_per_s:,.0f} alerts/s")
    section.raw["runs"] = [asdict(it) for it in found]
    what = f"{sitting.orders:,} due at once"
    section.figures += [
        Figure(f"{what}: alerts", "alerts/s", [it.alerts_per_s for it in found]),
        Figure(f"read meanwhile, of {PER_S:,} sent", RATE_UNIT, [it.read_per_s for it in found]),
        Figure("in the slowest second", RATE_UNIT, [it.slowest_read_per_s for it in found]),
        Figure(
            "told before an earlier deadline by at most",
            "ms",
            [it.back_ms for it in found],
            Reach(BUCKET_MS, at_most=True),
        ),
    ]


def _sizes(sitting: Sitting, sizes: tuple[int, ...]) -> list[int]:
    return [size for size in sizes if size <= QUICK_SIZE_MAX or not sitting.quick]


def _times(of: list[float], to: list[float]) -> list[float]:
    return [one / other for one, other in zip(of, to, strict=False) if other]


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


SECTIONS: Final = Sizes(
    orders=(1_000_000, 20_000),
    rounds=(3, 1),
    chapters=(
        Chapter("core", "An event with more and more orders open, in process", core),
        Chapter("broker", "An event with more and more orders open, through a broker", broker),
        Chapter("partitions", "The same load over more and more partitions", partitions),
        Chapter("due", "A great many orders due at once", due),
    ),
)

if __name__ == "__main__":
    sys.exit(run("tests.bench.growth", __doc__, SECTIONS))
