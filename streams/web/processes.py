"""The pages of several processes as one: their metrics, each with the number of its process.

Partitions move between processes as they do between machines, so their series stay apart by
process; a sum over them is what one worker would say.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class ProcessState:
    """`metrics` is the text of its own; None where it gave none."""

    number: int
    restarts: int
    metrics: str | None


def render(processes: Iterable[ProcessState]) -> bytes:
    """The text that Prometheus reads, for all of them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Merged(list(processes)))
    return generate_latest(registry)


class _Merged(Collector):
    def __init__(self, processes: list[ProcessState]) -> None:
        self._processes = processes

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            "returnwatch_process_up", "1 for a worker process that answers.", labels=["process"]
        )
        restarts = CounterMetricFamily(
            "returnwatch_process_restarts",
            "Times that a worker process ended and was started again.",
            labels=["process"],
        )
        for process in self._processes:
            up.add_metric([str(process.number)], process.metrics is not None)
            restarts.add_metric([str(process.number)], process.restarts)
        yield up
        yield restarts
        yield from _families(self._processes).values()


def _families(processes: Iterable[ProcessState]) -> Mapping[str, Metric]:
    merged: dict[str, Metric] = {}
    for process in processes:
        for family in text_string_to_metric_families(process.metrics or ""):
            mine = Metric(family.name, family.documentation, family.type)
            into = merged.setdefault(family.name, mine)
            for sample in family.samples:
                labels = {"process": str(process.number), **sample.labels}
                into.add_sample(sample.name, labels, sample.value)
    return merged
