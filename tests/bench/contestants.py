"""Who takes part in the comparison: a name, and the command that starts it."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.peers.build import peer_jars
from tests.broker.topics import Names

HEAP: Final = "-Xmx1g"
QUIET: Final = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
# Flink's serializers look into these packages, as its own start scripts allow them to.
OPENED: Final = [
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in ("java.lang", "java.util", "java.time", "java.net")
]

Command = Callable[["Run"], list[str]]


@dataclass(frozen=True, slots=True)
class Run:
    """One start of a contestant: where it reads and writes, and the folder it may fill."""

    bootstrap: str
    names: Names
    partitions: int
    folder: Path

    def arguments(self) -> list[str]:
        return [
            f"bootstrap={self.bootstrap}",
            f"submitted={self.names.submitted}",
            f"returned={self.names.returned}",
            f"alerts={self.names.alerts}",
            f"group={self.names.app_id}",
            f"partitions={self.partitions}",
            f"folder={self.folder}",
        ]


@dataclass(frozen=True, slots=True)
class Contestant:
    name: str
    title: str
    command: Command
    slow: bool = False  # It runs over the short topics.
    prints_committed: bool = False  # Else its group's offsets tell.
    alerts: bool = True  # False: it only reads.
    prepare: Callable[[], object] | None = None  # Once, before anything is measured.
    settings: Mapping[str, str] | None = None  # Of a worker of ours; of nobody else.


def returnwatch(run: Run) -> list[str]:
    return [sys.executable, "-m", "streams.entry", "worker"]


def python(module: str) -> Command:
    def command(run: Run) -> list[str]:
        return [sys.executable, "-m", f"tests.bench.peers.{module}", *run.arguments()]

    return command


def java(program: str, main: str, more: list[str]) -> Command:
    options = [HEAP, QUIET, *(OPENED if program == "flink" else [])]

    def command(run: Run) -> list[str]:
        files = f"-Djava.io.tmpdir={run.folder}"
        jars = f"{peer_jars(program)}/*"
        start = ["java", *options, files, "-cp", jars, f"returnwatch.peers.{main}"]
        return [*start, *run.arguments(), *more]

    return command


def streams(name: str, title: str, *more: str) -> Contestant:
    command = java("streams", "StreamsPeer", list(more))
    return Contestant(name, title, command, prepare=lambda: peer_jars("streams"))


def flink(name: str, title: str, guarantee: str) -> Contestant:
    command = java("flink", "FlinkPeer", [f"guarantee={guarantee}"])
    return Contestant(
        name, title, command, prints_committed=True, prepare=lambda: peer_jars("flink")
    )


OURS: Final = "returnwatch"
UNCOUNTED: Final = "returnwatch-orders"
STREAMS: Final = "streams"
FLINK: Final = "flink-eos"
AIOKAFKA: Final = "aiokafka"

CONTESTANTS: Final = (
    Contestant(OURS, "Returnwatch, all on", returnwatch, settings={}),
    Contestant(
        UNCOUNTED,
        "Returnwatch, orders alone",
        returnwatch,
        settings={"RETURNWATCH_STATS": "false"},
    ),
    streams(STREAMS, "Kafka Streams, memory", "store=memory", "guarantee=at_least_once"),
    streams(
        "streams-eos",
        "Kafka Streams, memory, exactly once",
        "store=memory",
        "guarantee=exactly_once_v2",
    ),
    streams(
        "streams-rocksdb", "Kafka Streams, RocksDB", "store=rocksdb", "guarantee=at_least_once"
    ),
    flink("flink", "Flink, heap, at least once", "AT_LEAST_ONCE"),
    flink(FLINK, "Flink, heap, exactly once", "EXACTLY_ONCE"),
    Contestant("faust-table", "stock Faust, table", python("faust_table"), slow=True),
    Contestant("faust-window", "stock Faust, window", python("faust_window"), slow=True),
    Contestant(AIOKAFKA, "bare aiokafka", python("bare_aiokafka"), alerts=False),
)
NAMES: Final = tuple(contestant.name for contestant in CONTESTANTS)
