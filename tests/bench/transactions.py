"""`python -m tests.bench.transactions`: what transactions cost, beside plain sends.

The same worker in turn with and without (tests/bench/plain.py), on the same loaded topics and at
the same paced rate. Only the ratio says something.
"""

import argparse
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.bench.delay import Pace, measured, percentiles
from tests.bench.load import Load, load_topics
from tests.bench.throughput import catch_up
from tests.broker.process import ChildProcess
from tests.broker.source import open_broker
from tests.broker.topics import Names, create_topics, new_names
from tests.broker.worker import Spawn, WorkerProcess

PARTITIONS = 4


def spawn_plain(output: Path, *, env: dict[str, str], cwd: Path) -> ChildProcess:
    """Starts the worker without transactions."""
    command = [sys.executable, "-m", "tests.bench.plain", "worker"]
    return ChildProcess(command, output, env=env, cwd=cwd)


KINDS: dict[str, Spawn | None] = {"transactions": None, "plain sends": spawn_plain}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=500_000)
    parser.add_argument("--seconds", type=int, default=15, help="of each delay measurement")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with open_broker() as broker, tempfile.TemporaryDirectory() as folder:
        loaded, load = new_names(), Load(arguments.orders)
        load_topics(broker.bootstrap, loaded, load, partitions=PARTITIONS)
        rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(arguments.repeat):
            for kind, spawn in KINDS.items():
                names = beside(broker.bootstrap, loaded, partitions=PARTITIONS)
                env = names.env(broker.bootstrap, RETURNWATCH_ACCEPT_CREATE_TIME="true")
                with WorkerProcess(env, Path(folder), spawn=spawn) as worker:
                    rates[kind].append(catch_up(worker, load, partitions=PARTITIONS).events_per_s)
                    worker.terminate()
        for kind, found in rates.items():
            print(f"{kind}: {' '.join(f'{rate:,.0f}' for rate in sorted(found))} events/s")
        ratio = statistics.median(rates["transactions"]) / statistics.median(rates["plain sends"])
        print(f"with transactions {ratio:.2f} times the events/s of plain sends (medians)")
        for kind, spawn in KINDS.items():
            _print_delay(broker.bootstrap, Path(folder), (kind, spawn), seconds=arguments.seconds)


def beside(bootstrap: str, loaded: Names, *, partitions: int) -> Names:
    """The same inputs, with an app id and outputs of their own."""
    fresh = new_names()
    names = replace(fresh, submitted=loaded.submitted, returned=loaded.returned)
    topics = names.topics(partitions).items()
    inputs = {loaded.submitted, loaded.returned}
    create_topics(bootstrap, {name: made for name, made in topics if name not in inputs})
    return names


def _print_delay(
    bootstrap: str, folder: Path, kind: tuple[str, Spawn | None], *, seconds: int
) -> None:
    pace = Pace(per_s=2_000, seconds=seconds, partitions=PARTITIONS)
    p50, p99 = percentiles(measured(bootstrap, folder, pace, spawn=kind[1]).from_allowed)
    print(f"{kind[0]}: alerts readable after p50 {p50:.0f} ms, p99 {p99:.0f} ms")


if __name__ == "__main__":
    main()
