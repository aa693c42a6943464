"""`python -m tests.bench.compare`: Returnwatch and its peers in turn, on the same loaded topics.

Starts an Apache Kafka of its own, loads the topics once, and lets each contestant run over them
with a group, an app id and output topics of its own: once with all cores, once held to one core
with the broker on another. How the time is taken: tests/bench/race.py. Figures of one sitting
compare with each other; those of two sittings or machines do not.
"""

import argparse
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, TopicPartition
from rich.console import Console

from tests.bench.contestants import CONTESTANTS, NAMES, Contestant
from tests.bench.load import Load, load_inputs
from tests.bench.race import Course, Result, run_once
from tests.bench.standings import print_standings, raw
from tests.bench.usage import pin
from tests.broker.kafka import ClusterConfig, KafkaCluster
from tests.broker.topics import new_names

HEAP_MB: Final = 1_024
WIDTH: Final = 160  # Of the tables, where no terminal says how wide it is.
CORES: Final = ("all", "one", "both")


@dataclass(frozen=True, slots=True)
class Settings:
    orders: int = 1_000_000
    short_orders: int = 50_000
    partitions: int = 4
    repeat: int = 1
    only: tuple[str, ...] = NAMES
    cores: str = "both"

    def contestants(self) -> list[Contestant]:
        return [contestant for contestant in CONTESTANTS if contestant.name in self.only]

    def core_choices(self) -> list[bool]:
        """Whether contestants are held to one core: first not, then so."""
        return {"all": [False], "one": [True], "both": [False, True]}[self.cores]


def main() -> None:
    default = Settings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=default.orders)
    parser.add_argument("--short-orders", type=int, default=default.short_orders)
    parser.add_argument("--partitions", type=int, default=default.partitions)
    parser.add_argument("--repeat", type=int, default=default.repeat)
    parser.add_argument("--only", type=_names, default=NAMES, help=f"of {','.join(NAMES)}")
    parser.add_argument("--cores", choices=CORES, default=default.cores)
    parser.add_argument("--json", type=Path, help="the file for the figures of every single run")
    arguments = vars(parser.parse_args())
    into = arguments.pop("json")
    # A run that is terminated tidies up like one that is interrupted: brokers end, data goes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    compare(Settings(**arguments), console, [], into=into)


def compare(
    settings: Settings,
    console: Console,
    results: list[Result],
    *,
    into: Path | None = None,
) -> None:
    """Adds to the results as they come, prints the tables, writes the raw figures where wanted."""
    for contestant in settings.contestants():
        if contestant.prepare is not None:
            contestant.prepare()
    try:
        with KafkaCluster(ClusterConfig(heap_mb=HEAP_MB)) as cluster:
            courses = _load(cluster.bootstrap, settings, console)
            for one_core in settings.core_choices():
                with _cores(cluster, one_core=one_core) as core:
                    _run_rounds(settings, courses, core, console, results)
    finally:  # What was measured is not lost where the rest does not come.
        if results:
            print_standings(console, results, short_records=Load(settings.short_orders).records)
        if results and into is not None:
            shown = {name: getattr(settings, name) for name in Settings.__slots__}
            into.write_bytes(raw(results, **shown))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
    return names


def _load(bootstrap: str, settings: Settings, console: Console) -> dict[bool, Course]:
    """The long course and, for the slow ones, the short one; each only where somebody needs it."""
    courses = {}
    for slow, orders in ((False, settings.orders), (True, settings.short_orders)):
        if any(contestant.slow == slow for contestant in settings.contestants()):
            load = Load(min(orders, settings.orders))
            console.print(f"loading {load.records:,} records, {load.open_at_most:,} orders open")
            courses[slow] = _course(bootstrap, load, settings.partitions)
    return courses


def _course(bootstrap: str, load: Load, partitions: int) -> Course:
    names = new_names()
    load_inputs(bootstrap, names, load, partitions=partitions)
    ends = _ends(bootstrap, (names.submitted, names.returned), partitions)
    assert sum(ends.values()) == load.records, "not everything was loaded"
    return Course(bootstrap, names.submitted, names.returned, load, partitions, ends)


def _ends(bootstrap: str, topics: Sequence[str], partitions: int) -> dict[tuple[str, int], int]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-ends", "log_level": 0})
    try:
        return {
            (topic, partition): consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=10
            )[1]
            for topic in topics
            for partition in range(partitions)
        }
    finally:
        consumer.close()


@contextmanager
def _cores(cluster: KafkaCluster, *, one_core: bool) -> Iterator[int | None]:
    """The core to hold contestants to: the broker, and this process, keep off it meanwhile."""
    if not one_core:
        yield None
        return
    have = sorted(os.sched_getaffinity(0))
    assert len(have) > 1, "a contestant and the broker need a core each"
    beside = [os.getpid(), *(node.process.pid for node in cluster.nodes)]
    for pid in beside:
        pin(pid, {have[1]})
    try:
        yield have[0]
    finally:
        for pid in beside:
            pin(pid, set(have))


def _run_rounds(
    settings: Settings,
    courses: dict[bool, Course],
    core: int | None,
    console: Console,
    results: list[Result],
) -> None:
    """Everybody once, then everybody again: what drifts meanwhile drifts for all."""
    where = "all cores" if core is None else "one core"
    for number in range(1, settings.repeat + 1):
        for contestant in settings.contestants():
            result = run_once(contestant, courses[contestant.slow], core=core)
            told = result.failed or f"{result.events_per_s:,.0f} events/s"
            console.print(f"round {number}, {where}, {contestant.title}: {told}")
            results.append(result)


if __name__ == "__main__":
    main()
