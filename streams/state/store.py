"""Where the state of partitions is kept: their ledgers and their changelog, on Kafka."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition

from streams.state.changelog import State
from streams.state.ledger import Ledger
from streams.state.restore import OnProgress, restore


@dataclass(frozen=True, slots=True)
class KafkaStore:
    """Makes ledgers and restores state; nothing is asked of a broker before they are used."""

    client_options: Mapping[str, Any]
    app_id: str
    changelog_topic: str

    def changelog(self, partition: int) -> TopicPartition:
        """The changelog of one partition number."""
        return TopicPartition(self.changelog_topic, partition)

    def ledger(self, partition: int) -> Ledger:
        """A ledger that is not fenced yet."""
        return Ledger(
            self.client_options,
            app_id=self.app_id,
            changelog=self.changelog_topic,
            partition=partition,
        )

    async def restore(self, partition: int, *, end_offset: int, on_progress: OnProgress) -> State:
        """The state in the changelog up to `end_offset`; raises what streams.state.restore does."""
        return await restore(
            self.client_options,
            self.changelog(partition),
            end_offset=end_offset,
            on_progress=on_progress,
        )
