"""What a worker measures of itself, as Prometheus reads it.

Everything is read from the worker when it is asked; nothing is counted twice. Counters are per
partition number and end with it when it moves to another worker.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.charge import Charge
from streams.incidents.keeper import Standing
from streams.takeover import RestoreProgress

ALERT_TYPES: Final = ("timed_out", "returned_late", "unmatched_return", "conflicting_return")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the metrics are made from; `lags` is in records, `held` the reasons for holding."""

    charges: Iterable[Charge]
    restores: Mapping[int, RestoreProgress]
    lags: Mapping[TopicPartition, int]
    held: Iterable[str]
    now_ms: int
    incidents: Standing | None = None  # None where another worker is their owner.


def render(snapshot: Snapshot) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Metrics(snapshot))
    return generate_latest(registry)


class _Metrics(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        charges = list(self._snapshot.charges)
        yield from _read(charges)
        yield from _decided(charges)
        yield from _orders(charges, self._snapshot.now_ms)
        yield from _checkpoints(charges)
        yield _lag(self._snapshot.lags)
        yield _restore(self._snapshot.restores)
        held = GaugeMetricFamily(
            "returnwatch_verdicts_held",
            "1 for each reason to hold all verdicts.",
            labels=["reason"],
        )
        for reason in self._snapshot.held:
            held.add_metric([reason], 1)
        yield held
        yield from _incidents(self._snapshot.incidents, self._snapshot.now_ms)


def _read(charges: list[Charge]) -> Iterator[Metric]:
    read = _counter("records_read", "Records read.", "topic")
    events = _counter(
        "events", "Records that changed no verdict, and slips, by what they were.", "event"
    )
    for charge in charges:
        partition = str(charge.watch.partition)
        for side, tp in enumerate(charge.tps):
            read.add_metric([partition, tp.topic], charge.watch.records_read[side])
        for event, count in sorted(charge.watch.tracker.counts.items()):
            events.add_metric([partition, event], count)
        behind = charge.watch.sequence.records_behind_frontier
        events.add_metric([partition, "records_behind_frontier"], behind)
    yield read
    yield events


def _decided(charges: list[Charge]) -> Iterator[Metric]:
    verdicts = _counter("verdicts", "Alerts written, by type.", "type")
    letters = _counter("dead_letters", "Records set aside because they cannot be read.")
    for charge in charges:
        partition = str(charge.watch.partition)
        for kind in ALERT_TYPES:
            verdicts.add_metric([partition, kind], charge.watch.counts[kind])
        letters.add_metric([partition], charge.watch.counts["dead_letters"])
    yield verdicts
    yield letters


def _orders(charges: list[Charge], now_ms: int) -> Iterator[Metric]:
    kept = _gauge("orders", "Orders and early returns kept, by state.", "state")
    closed = _gauge("closed_orders_remembered", "Closed orders that are still remembered.")
    overdue = _gauge("overdue_orders", "Orders past their deadline that are not decided yet.")
    oldest = _gauge("overdue_oldest_seconds", "How long the oldest of them has been overdue.")
    age = _gauge(
        "frontier_age_seconds",
        "How long the first record or timer that is due has waited for the frontier.",
    )
    for charge in charges:
        watch, partition = charge.watch, str(charge.watch.partition)
        for state, count in watch.tracker.book.states():
            kept.add_metric([partition, state.name.lower()], count)
        closed.add_metric([partition], watch.tracker.book.closed.count)
        count, oldest_ms = charge.overdue.look(watch.tracker.book, now_ms, partitions=len(charges))
        overdue.add_metric([partition], count)
        oldest.add_metric([partition], max(now_ms - oldest_ms, 0) / 1_000 if count else 0)
        age.add_metric([partition], charge.late_ms(now_ms) / 1_000)
    yield from (kept, closed, overdue, oldest, age)


def _checkpoints(charges: list[Charge]) -> Iterator[Metric]:
    written = _counter("checkpoints", "Checkpoints written.")
    took = _gauge("checkpoint_seconds", "How long the newest checkpoint took.")
    for charge in charges:
        partition = str(charge.watch.partition)
        written.add_metric([partition], charge.watch.counts["checkpoints"])
        took.add_metric([partition], charge.checkpoint_s)
    yield written
    yield took


def _lag(lags: Mapping[TopicPartition, int]) -> Metric:
    lag = _gauge("consumer_lag_records", "Offsets between what was worked and the end.", "topic")
    for tp, records in lags.items():
        lag.add_metric([str(tp.partition), tp.topic], records)
    return lag


def _restore(restores: Mapping[int, RestoreProgress]) -> Metric:
    ratio = _gauge("restore_progress_ratio", "How much of a partition's changelog is read.")
    for partition, progress in restores.items():
        ratio.add_metric([str(partition)], progress.read_to / progress.end if progress.end else 0)
    return ratio


def _incidents(standing: Standing | None, now_ms: int) -> Iterator[Metric]:
    """Of all partitions together; but for the first, only of the worker that owns them."""
    name = "returnwatch_incidents"
    owner = GaugeMetricFamily(f"{name}_owner", "1 in the worker that tells incidents.")
    is_open = GaugeMetricFamily(f"{name}_open", "Incidents that go on.")
    behind = GaugeMetricFamily(
        f"{name}_behind_seconds",
        "How long ago the newest second was that incidents are concluded from.",
    )
    written = CounterMetricFamily(f"{name}_records", "Records written to the incidents' topic.")
    owner.add_metric([], int(standing is not None))
    if standing is not None:
        is_open.add_metric([], standing.open)
        behind.add_metric([], standing.behind_s(now_ms))
        written.add_metric([], standing.written)
    yield from (owner, is_open, behind, written)


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"returnwatch_{name}", text, labels=["partition", *labels])


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"returnwatch_{name}", text, labels=["partition", *labels])
