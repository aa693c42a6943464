"""The sections of the report that a worker and a broker are measured for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final

from tests.bench.absence import came_back
from tests.bench.compare import HEAP_MB
from tests.bench.contestants import CONTESTANTS, FLINK
from tests.bench.delay import Delays, Pace, measured, percentiles
from tests.bench.load import Load, load_inputs, load_topics
from tests.bench.memory import closed_bytes, open_bytes
from tests.bench.replay import replayed
from tests.bench.report import Figure, Reach, Section
from tests.bench.restart import holding, restarted
from tests.bench.sitting import Sitting
from tests.bench.standings import CPU_UNIT, RATE_UNIT
from tests.bench.throughput import CaughtUp, catch_up
from tests.bench.transactions import beside
from tests.broker.kafka import ClusterConfig, KafkaCluster
from tests.broker.records import read_until
from tests.broker.shell import Shell
from tests.broker.topics import Names, create_topics, new_names
from tests.broker.worker import WorkerProcess

PER_S: Final = 5_000
PARTITIONS: Final = 8
MORE_PARTITIONS: Final = (32, 128)
SILENT_PER_S: Final = 50
DELAY_S: Final = (30, 8)  # In full, and with --quick.
WARM_UP_S: Final = 5
AWAY_S: Final = (60, 10)
PROCESSES: Final = (1, 2)
RESTORE_PARTITIONS: Final = 4
REPLAY_TIMEOUT_S: Final = 600
PERCENTILES: Final = {"p50": 50, "p99": 150}  # And the ms to reach.
DELAYS: Final = {
    "deadline": lambda delays: delays.from_deadline,
    "allowed": lambda delays: delays.from_allowed,
}


@dataclass(frozen=True, slots=True)
class Crew:
    """So many worker processes, with counts and incidents or with orders alone."""

    processes: int
    counts: bool

    def __str__(self) -> str:
        ending = "es" if self.processes > 1 else ""
        return f"{self.processes} process{ending}" + ("" if self.counts else ", orders alone")


@contextmanager
def kafka() -> Iterator[KafkaCluster]:
    with KafkaCluster(ClusterConfig(heap_mb=HEAP_MB)) as cluster:
        yield cluster


def processes(sitting: Sitting, section: Section) -> None:
    """The same loaded topics with one worker process and with two, broker beside them; with counts
    and incidents, and with orders alone."""
    load = Load(sitting.orders)
    rounds: dict[Crew, list[CaughtUp]] = {
        Crew(count, counts): [] for counts in (True, False) for count in PROCESSES
    }
    with kafka() as cluster:
        loaded = new_names()
        load_inputs(cluster.bootstrap, loaded, load, partitions=PARTITIONS)
        try:
            for _ in range(sitting.rounds):
                for crew, found in rounds.items():
                    found.append(_with_processes(sitting, cluster, loaded, load, crew=crew))
                    sitting.say(f"{crew}: {found[-1]}")
        finally:
            runs = {str(crew): [asdict(it) for it in found] for crew, found in rounds.items()}
            section.raw["runs"] = runs
            section.figures += _of_processes(sitting, rounds)


def _with_processes(
    sitting: Sitting, cluster: KafkaCluster, loaded: Names, load: Load, *, crew: Crew
) -> CaughtUp:
    names = beside(cluster.bootstrap, loaded, partitions=PARTITIONS)
    env = names.env(
        cluster.bootstrap,
        RETURNWATCH_ACCEPT_CREATE_TIME="true",
        RETURNWATCH_STATS=str(crew.counts).lower(),
    )
    arguments = ("--processes", str(crew.processes)) if crew.processes > 1 else ()
    with WorkerProcess(env, sitting.folder, arguments=arguments) as worker:
        brokers = [node.process.pid for node in cluster.nodes]
        caught_up = catch_up(worker, load, partitions=PARTITIONS, broker_pids=brokers)
        told = len(read_until(cluster.bootstrap, names.alerts, load.lost))
        worker.terminate()
    assert told == load.lost, f"{told} alerts, {load.lost} orders were lost"
    return caught_up


def _of_processes(sitting: Sitting, rounds: dict[Crew, list[CaughtUp]]) -> Iterator[Figure]:
    flink = next(it.title for it in CONTESTANTS if it.name == FLINK)
    flinks = sitting.values("throughput", f"{flink}, all cores", RATE_UNIT)
    for crew, runs in rounds.items():
        if not runs:
            continue
        who = str(crew)
        rates = [run.events_per_s for run in runs]
        yield Figure(who, RATE_UNIT, rates)
        yield Figure(f"{who}, the workers", CPU_UNIT, [run.cpu_us for run in runs])
        taken = [run.broker_cpu_s / run.records * 1e6 for run in runs]
        yield Figure(f"{who}, the broker", CPU_UNIT, taken)
        used = [run.cpu_s / run.took_s for run in runs]
        yield Figure(f"{who}, the workers", "cores", used)
        yield Figure(f"{who}, the broker", "cores", [it.broker_cpu_s / it.took_s for it in runs])
        if crew.processes > 1:
            one = [run.events_per_s for run in rounds[Crew(1, crew.counts)]]
            grown = [many / single for many, single in zip(rates, one, strict=False)]
            yield Figure(f"{who}, of one", "times", grown)
        if crew.processes > 1 and flinks:
            ahead = [ours / theirs for ours, theirs in zip(rates, flinks, strict=False)]
            yield Figure(f"{who}, of {flink}", "times", ahead, Reach(1.0))


def delay(sitting: Sitting, section: Section) -> None:
    """From the deadline to the readable alert: busy, over more partitions, and silent."""
    seconds = DELAY_S[sitting.quick]
    paces = [
        Pace(PER_S, seconds, PARTITIONS),
        Pace(SILENT_PER_S, seconds, PARTITIONS, is_silent=True),
        *(Pace(PER_S, seconds, partitions) for partitions in MORE_PARTITIONS),
    ]
    with kafka() as cluster:
        measured(cluster.bootstrap, sitting.folder, Pace(PER_S, WARM_UP_S, PARTITIONS))
        for pace in paces:
            found = []
            for _ in range(sitting.rounds):
                found.append(measured(cluster.bootstrap, sitting.folder, pace))
                p50, p99 = percentiles(found[-1].from_deadline)
                sitting.say(f"{pace}: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
            section.figures += _of_delays(pace, found)
            section.raw[_named(pace)] = [asdict(it.sent) | {"others": it.others} for it in found]


def _of_delays(pace: Pace, found: list[Delays]) -> Iterator[Figure]:
    where = _named(pace)
    deadline, allowed = ([percentiles(of(it)) for it in found] for of in DELAYS.values())
    samples = [[round(value, 1) for value in it.from_deadline] for it in found]
    for place, (name, at_most_ms) in enumerate(PERCENTILES.items()):
        reach = Reach(at_most_ms, at_most=True) if pace.partitions == PARTITIONS else None
        values = [cuts[place] for cuts in deadline]
        yield Figure(f"{name}, {where}", "ms", values, reach, samples if not place else ())
        if not pace.is_silent:
            after = f"{name}, {where}, from when the log allowed it"
            yield Figure(after, "ms", [cuts[place] for cuts in allowed])
    yield Figure(f"most, {where}", "ms", [it.from_deadline[-1] for it in found])


def _named(pace: Pace) -> str:
    if pace.is_silent:
        return f"{pace.partitions} silent partitions, beyond the grace"
    return f"{pace.partitions} busy partitions, {pace.per_s:,} events/s"


def absence(sitting: Sitting, section: Section) -> None:
    """Away while traffic goes on, then back at the edge."""
    away_s = AWAY_S[sitting.quick]
    with kafka() as cluster:
        found = [
            came_back(cluster.bootstrap, sitting.folder, per_s=PER_S, away_s=away_s)
            for _ in range(sitting.rounds)
        ]
    section.raw["runs"] = [asdict(it) for it in found]
    what = f"away for {away_s} s at {PER_S:,} events/s"
    section.figures += [
        Figure(f"at the edge again, {what}", "s", [it.edge_s for it in found]),
        Figure("of that, until it reads", "s", [it.start_s for it in found]),
        Figure("missed records worked", RATE_UNIT, [it.events_per_s for it in found]),
    ]


def restore(sitting: Sitting, section: Section) -> None:
    """Stopped and started with so many orders open."""
    orders = sitting.orders
    with kafka() as cluster:
        names = new_names()
        create_topics(cluster.bootstrap, names.topics(RESTORE_PARTITIONS))
        found = []
        with holding(cluster.bootstrap, names, orders, folder=sitting.folder) as worker:
            for _ in range(sitting.rounds):
                worker.terminate()
                found.append(restarted(worker, orders))
                sitting.say(str(found[-1]))
            worker.terminate()
    section.raw["runs"] = [asdict(it) for it in found]
    what = f"{orders:,} orders, {RESTORE_PARTITIONS} partitions"
    section.figures += [
        Figure(f"restored, {what}", "orders/s", [it.orders_per_s for it in found], Reach(300_000)),
        Figure("from the start of the process to ready", "s", [it.ready_s for it in found]),
        Figure("resident afterwards", "MB", [it.rss_mb for it in found]),
    ]


def memory(sitting: Sitting, section: Section) -> None:
    """What tracemalloc counts for 200,000 orders: the same each time, so one round."""
    kinds = (("an open order", open_bytes, 256), ("a remembered closed order", closed_bytes, 32))
    for name, measure, at_most in kinds:
        reach = Reach(at_most, at_most=True)
        section.figures.append(Figure(name, "bytes", [measure()], reach))


def replay(sitting: Sitting, section: Section) -> None:
    """`returnwatch replay` over loaded topics, as one process: events/s a core."""
    load = Load(sitting.orders)
    with kafka() as cluster:
        names = new_names()
        load_topics(cluster.bootstrap, names, load, partitions=RESTORE_PARTITIONS)
        shell = Shell(names.env(cluster.bootstrap), sitting.folder, timeout_s=REPLAY_TIMEOUT_S)
        told = [replayed(shell, load, 1) for _ in range(sitting.rounds)]
    section.raw["told"] = told
    rates = [float(text.split(": ")[1].split(" ")[0].replace(",", "")) for text in told]
    what = f"replayed, {load.records:,} records, one process"
    section.figures.append(Figure(what, RATE_UNIT, rates, Reach(200_000)))
