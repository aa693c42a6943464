"""What a worker works with, put together by the composition root."""

from dataclasses import dataclass

from streams.charge import Rhythm
from streams.guards import PartitionerGuard, TopicGuard
from streams.heartbeats import Pulse
from streams.prover import Prover
from streams.takeover import Terms
from streams.transport.log_bounds import LogBounds


@dataclass(frozen=True, slots=True)
class Means:
    """What a worker works with; `broker_timeout_s` bounds a silence of the broker."""

    terms: Terms
    rhythm: Rhythm
    prover: Prover
    log_bounds: LogBounds
    partitioners: PartitionerGuard
    topics: TopicGuard
    broker_timeout_s: float
    pulse: Pulse | None = None  # None where nothing is counted.
