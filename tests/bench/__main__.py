"""One report in one sitting: a table, report.json with every raw value, report.png.

Each section starts an Apache Kafka of its own beside what it measures. Figures of one sitting
compare with each other; those of two sittings or machines do not. How each is measured, and how
long it takes: docs/benchmarks.md.
"""

import sys

from tests.bench.compare import Settings, compare
from tests.bench.contestants import AIOKAFKA, FLINK, NAMES, OURS, STREAMS
from tests.bench.race import Result
from tests.bench.report import Section
from tests.bench.sections import absence, delay, memory, processes, replay, restore
from tests.bench.sitting import Chapter, Sitting, Sizes, run
from tests.bench.standings import figures, runs_of


def throughput(sitting: Sitting, section: Section) -> None:
    only = (OURS, STREAMS, FLINK, AIOKAFKA) if sitting.quick else NAMES
    settings = Settings(orders=sitting.orders, repeat=sitting.rounds, only=only)
    results: list[Result] = []
    try:
        compare(settings, sitting.console, results)
    finally:  # What was measured is not lost where the rest does not come.
        section.figures += figures(results)
        section.raw["runs"] = runs_of(results)
    wrong = sorted({at.name for at in results if at.failed or not at.is_right})
    if wrong:
        section.failed = f"not finished, or not with the right alerts: {', '.join(wrong)}"


SIZES = Sizes(
    orders=(1_000_000, 100_000),
    rounds=(3, 1),
    chapters=(
        Chapter("throughput", "Beside Kafka Streams, Flink and others", throughput),
        Chapter("processes", "One worker process and two, all cores to be had", processes),
        Chapter("delay", "From the deadline to the readable alert", delay),
        Chapter("catch-up", "Away while traffic goes on", absence),
        Chapter("restore", "Stopped and started with orders open", restore),
        Chapter("memory", "Bytes an order", memory),
        Chapter("replay", "A log replayed", replay),
    ),
)

if __name__ == "__main__":
    sys.exit(run("tests.bench", __doc__, SIZES))
