"""A replay from its settings to its alerts in temporary files: what commands build on.

Owns the order of the steps: look at the topics, plan, read, judge, merge.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.core.rules import Policy
from streams.failures import WrongUse
from streams.investigate.inputs import OnRead
from streams.investigate.planning import Planner
from streams.investigate.replay import Replayed, replay, spool_path
from streams.investigate.snapshot import read_snapshot
from streams.investigate.spool import Row, merged
from streams.investigate.spread import Share, replay_spread, shared_out
from streams.investigate.stretch import Asked, Portion
from streams.reachable import reachable
from streams.rulebook import load_policy
from streams.settings import Settings
from streams.state.header import Header
from streams.topic_findings import unequal_inputs
from streams.topics import Refused
from streams.transport.log_bounds import LogBounds
from streams.watch import Duty


@dataclass(frozen=True, slots=True)
class Session:
    """Settings with the rules they name; `overrides` are those that were given for this replay."""

    settings: Settings
    policy: Policy
    overrides: Mapping[str, Any] = field(default_factory=dict)
    snapshot: Path | None = None  # To go on from.

    @classmethod
    def of(
        cls, settings: Settings, overrides: Mapping[str, Any], snapshot: Path | None = None
    ) -> "Session":
        """With the rules that the settings name; RulebookError for wrong ones."""
        return cls(settings, load_policy(settings), overrides, snapshot)

    @property
    def duty(self) -> Duty:
        """As the worker has it."""
        settings = self.settings
        topics = (
            settings.submitted_topic,
            settings.returned_topic,
            settings.alerts_topic,
            settings.dead_letters_topic,
        )
        return Duty(settings.app_id, *topics, self.policy, worker="")

    async def plan(
        self,
        stretch: Asked,
        *,
        back_ms: int | None = None,
        known_from_ms: Mapping[int, int] | None = None,
    ) -> list[Portion]:
        """What has to be read; `back_ms` and `known_from_ms` as the planner has them. Refused,
        BrokerUnavailable, WrongUse, with a snapshot SnapshotError."""
        headers = {} if self.snapshot is None else self._headers(self.snapshot)
        settings = self.settings
        inputs = (settings.submitted_topic, settings.returned_topic)
        found = await reachable(settings, inputs)
        wrong = unequal_inputs(settings, found)
        if wrong:
            raise Refused(wrong)
        numbers = stretch.chosen(found[settings.submitted_topic].partitions)
        async with LogBounds(settings.kafka_client_options()) as bounds:
            planner = Planner(
                bounds,
                self.duty,
                settings.grace_ms,
                back_ms,
                known_from_ms=known_from_ms or {},
                headers=headers,
            )
            return await planner.portions(numbers, stretch)

    def run(
        self, portions: list[Portion], folder: Path, *, processes: int, on_read: OnRead
    ) -> Replayed:
        """Read and judge; the alerts are in `folder` then."""
        if processes == 1 or len(portions) == 1:
            options = self.settings.kafka_client_options()
            return asyncio.run(
                replay(
                    options,
                    self.duty,
                    portions,
                    snapshot=self.snapshot,
                    folder=folder,
                    on_read=on_read,
                )
            )
        duty = self.duty
        topics = (
            duty.submitted_topic,
            duty.returned_topic,
            duty.alerts_topic,
            duty.dead_letters_topic,
        )
        shares = [
            Share(
                dict(self.overrides),
                topics,
                duty.app_id,
                self.policy.text(),
                share,
                snapshot=self.snapshot,
                folder=folder,
            )
            for share in shared_out(portions, processes)
        ]
        return replay_spread(shares, on_read=on_read)

    def _headers(self, snapshot: Path) -> dict[int, Header]:
        """Of each partition number that has state."""
        found = read_snapshot(snapshot)
        about, settings = found.about, self.settings
        inputs = (about.submitted_topic, about.returned_topic)
        if inputs != (settings.submitted_topic, settings.returned_topic):
            raise WrongUse(
                f"{snapshot} is about {inputs[0]} and {inputs[1]}, not about the inputs of these "
                "settings."
            )
        states = found.states.items()
        return {number: it.header for number, it in states if it.header is not None}


def rows(portions: list[Portion], folder: Path) -> Iterator[Row]:
    """The alerts of a run, by time."""
    numbers = [portion.partition for portion in portions]
    return merged({number: spool_path(folder, number) for number in numbers})
