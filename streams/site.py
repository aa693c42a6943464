"""A deployment: its settings and rules, its topics as found, and what a worker gets of them."""

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.charge import CHECKPOINTS_PER_S_MAX, EDGE_MS, Pace, Rhythm
from streams.clock import WorkerClock
from streams.code_classes import code_classes
from streams.continuity import Continuity
from streams.core.rules import Policy
from streams.guards import Holds, PartitionerGuard, TopicGuard
from streams.heartbeats import Pulse
from streams.incidents.keeper import Remit
from streams.incidents.office import Premises
from streams.means import Means
from streams.prover import Prover
from streams.rulebook import load_limits
from streams.settings import Settings
from streams.settings_problems import SettingsError
from streams.state.store import KafkaStore
from streams.takeover import Terms
from streams.topics import TIMESTAMP_TYPE, Found, Shape
from streams.transport.log_bounds import LogBounds
from streams.watch import Duty, Instant


@dataclass(frozen=True, slots=True)
class Site:
    """What a deployment is: its settings and rules, its topics as they were found."""

    settings: Settings
    policy: Policy
    found: Mapping[str, Found]
    accept_gap: bool

    def means(self, log_bounds: LogBounds) -> Means:
        """What the worker works with."""
        settings = self.settings
        clock = WorkerClock(self._clock_limit_ms(), wall_ms=wall_ms)
        holds = Holds()
        partitions = self.found[settings.submitted_topic].partitions
        guard = PartitionerGuard(partitions, holds, is_accepted=settings.accept_partitioners)
        rhythm = Rhythm(
            interval_s=settings.checkpoint_interval_s,
            edge_ms=EDGE_MS + settings.grace_ms,
            pace=Pace(CHECKPOINTS_PER_S_MAX),
            instant=lambda: Instant(clock.now_ms(), guard.marks()),
            holds=holds,
            clock=clock,
        )
        prover = Prover(log_bounds, grace_ms=settings.grace_ms, clock=clock)
        terms = self._terms(log_bounds, clock)
        topics = TopicGuard(self.shapes(), holds)
        patience_s = settings.broker_timeout_s
        return Means(
            terms,
            rhythm,
            prover,
            log_bounds,
            guard,
            topics,
            broker_timeout_s=patience_s,
            pulse=self._pulse(partitions),
        )

    def premises(self, reader_options: Mapping[str, Any]) -> Premises:
        """Where the owner of incidents reads and writes."""
        settings = self.settings
        return Premises(
            client_options=settings.kafka_client_options(),
            reader_options=reader_options,
            stats_topic=settings.stats_topic,
            silences_topic=settings.silences_topic,
            changelog_topic=settings.incidents_changelog_topic,
            partitions=self.found[settings.stats_topic].partitions,
        )

    def remit(self) -> Remit:
        """What the owner of incidents works with; SettingsError for a table of codes that cannot
        be read."""
        settings = self.settings
        try:
            codes = code_classes(settings.codes)
        except ValueError as error:
            raise SettingsError((str(error),)) from error
        return Remit(settings.app_id, settings.incidents_topic, codes, load_limits(settings))

    def _pulse(self, partitions: int) -> Pulse | None:
        settings = self.settings
        if not settings.stats:
            return None
        return Pulse(settings.kafka_client_options(), settings.stats_topic, partitions)

    def shapes(self) -> dict[str, Shape]:
        """Of both inputs, by name, submitted first."""
        inputs = (self.settings.submitted_topic, self.settings.returned_topic)
        topics = [self.found[name] for name in inputs]
        return {topic.name: Shape(topic.partitions, topic.topic_id) for topic in topics}

    def _terms(self, log_bounds: LogBounds, clock: WorkerClock) -> Terms:
        settings = self.settings
        options = settings.kafka_client_options()
        submitted, returned = self.shapes().values()
        continuity = Continuity(log_bounds.record_from, clock.now_ms, self.accept_gap)
        return Terms(
            duty_of(settings, self.policy),
            KafkaStore(options, settings.app_id, settings.changelog_topic),
            shapes=(submitted, returned),
            start_at=settings.start_at_ms,
            continuity=continuity,
        )

    def _clock_limit_ms(self) -> float | None:
        """Nothing is known of the broker's clock where it does not set the changelog's times."""
        changelog = self.found[self.settings.changelog_topic]
        is_brokers = (changelog.configs or {}).get(TIMESTAMP_TYPE) == "LogAppendTime"
        return self.settings.grace_ms / 2 if is_brokers else None


def duty_of(settings: Settings, policy: Policy) -> Duty:
    """What is the same for every partition."""
    return Duty(
        app_id=settings.app_id,
        submitted_topic=settings.submitted_topic,
        returned_topic=settings.returned_topic,
        alerts_topic=settings.alerts_topic,
        dead_letters_topic=settings.dead_letters_topic,
        policy=policy,
        worker=f"{socket.gethostname()}:{os.getpid()}",
        stats_topic=settings.stats_topic if settings.stats else None,
    )


def wall_ms() -> int:
    """The worker's wall clock, in ms since 1970 UTC."""
    return time.time_ns() // 1_000_000
