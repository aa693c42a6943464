"""What keeps verdicts back: while a guard holds, everything is read and nothing is decided.

Owns the reasons and their words. A guard sees that the inputs are not what verdicts rely on.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

import structlog

from schemas.records import RETURNED, SUBMITTED
from streams.partitioners import Finding, Partitioners
from streams.state.header import check_same_topic
from streams.topics import Shape
from streams.transport.batches import Batch
from streams.transport.log_bounds import BrokerUnavailable
from streams.transport.silence import Silence

TOPICS_LOOK_S: Final = 2.0  # How often the inputs are asked for: one request.
TOPICS_TIMEOUT_S: Final = 3.0

UNPROVEN_MARK: Final = ("returnwatch-partitioner", b"unproven")

log = structlog.get_logger(__name__)


class Holds:
    """The reasons to hold all verdicts, each with its sentence; empty when verdicts are given."""

    def __init__(self) -> None:
        self._sentences: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._sentences)

    def put(self, reason: str, sentence: str) -> None:
        """Hold verdicts for this reason."""
        if reason not in self._sentences:  # Counts in the sentence may change with each batch.
            log.error("verdicts are held", reason=reason, why=sentence)
        self._sentences[reason] = sentence

    def lift(self, reason: str) -> None:
        """This reason is gone."""
        if self._sentences.pop(reason, None) is not None:
            log.info("verdicts are no longer held", reason=reason)

    def reasons(self) -> list[str]:
        """Their names, for metrics."""
        return list(self._sentences)

    def sentences(self) -> list[str]:
        """What readiness says."""
        return list(self._sentences.values())


class PartitionerGuard:
    """Holds verdicts where the two topics are partitioned by different hashes."""

    def __init__(self, partitions: int, holds: Holds, *, is_accepted: bool) -> None:
        self.finding = Finding.SAME if is_accepted else Finding.UNPROVEN
        self._partitioners = Partitioners(partitions)
        self._holds = holds
        self._is_accepted = is_accepted
        if not is_accepted:
            self.finding = self._partitioners.finding()

    def look(self, side: int, batch: Batch) -> None:
        """Look at what was read, before anything of it is decided."""
        if self._is_accepted:
            return
        if not self._partitioners.look(side, batch.partition, batch.records):
            return
        self.finding = self._partitioners.finding()
        if self.finding is Finding.DIFFERENT:
            self._holds.put("partitioner", self._sentence())

    def marks(self) -> tuple[tuple[str, bytes], ...]:
        """The header of alerts made before the partitioners are proven to be the same."""
        return (UNPROVEN_MARK,) if self.finding is Finding.UNPROVEN else ()

    def _sentence(self) -> str:
        submitted, returned = map(self._partitioners.describe, (SUBMITTED, RETURNED))
        return (
            "The two input topics are partitioned by different hashes of the key, so orders and "
            f"their returns are apart: submitted: {submitted}; returned: {returned}. Set the same "
            "partitioner in both producers (librdkafka: partitioner=murmur2_random) and start on "
            "new topics, or set RETURNWATCH_ACCEPT_PARTITIONERS=true."
        )


class _Described(Protocol):
    async def shapes(self, names: Iterable[str]) -> Mapping[str, Shape]: ...


class TopicGuard:
    """Looks after the inputs while the worker runs: `began` is what they were at its start."""

    def __init__(self, began: Mapping[str, Shape], holds: Holds) -> None:
        self.silence = Silence()
        self._began = began
        self._holds = holds

    async def run(self, described: _Described) -> None:
        """Ask again and again, until a topic is another one; BrokerUnavailable when nobody answers,
        which changes nothing that is held."""
        while True:
            await asyncio.sleep(TOPICS_LOOK_S)
            await self.look(described)

    async def look(self, described: _Described) -> None:
        """Ask once and compare; raises what `run` does."""
        self.compare(await self._asked(described))

    async def _asked(self, described: _Described) -> Mapping[str, Shape]:
        asked_s = time.monotonic()
        try:
            async with asyncio.timeout(TOPICS_TIMEOUT_S):
                shapes = await described.shapes(self._began)
        except (BrokerUnavailable, TimeoutError) as error:
            self.silence.begin(asked_s, TOPICS_TIMEOUT_S)
            raise BrokerUnavailable(str(error) or "The topics are not described.") from error
        self.silence.end()
        return shapes

    def compare(self, shapes: Mapping[str, Shape]) -> None:
        """StateError where a topic was made anew. Verdicts are held while partition counts are
        not what they were, and given again when they are."""
        for name, shape in shapes.items():
            check_same_topic(name, self._began[name].topic_id, shape.topic_id)
        counts = {name: shapes[name].partitions if name in shapes else 0 for name in self._began}
        changed = [
            f"{name} has {count}"
            for name, count in counts.items()
            if count != self._began[name].partitions
        ]
        if not changed:
            self._holds.lift("partition_count")
            return
        self._holds.put(
            "partition_count",
            f"The state was made with {max(it.partitions for it in self._began.values())} "
            f"partitions, now {', '.join(changed)}: keys hash elsewhere, so orders and returns are "
            "apart. Go back to the old topics, or drain them and start with another "
            "RETURNWATCH_APP_ID on topics of equal counts.",
        )
