"""What the transport hands over: the records of stretches of topic partitions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from faust import Schema

from schemas.records import Record


@dataclass(frozen=True, slots=True)
class Batch:
    """[from_offset, next_offset) of a topic partition; records may be few or none, because
    markers and aborted records are left out. `opening` numbers the `open_partitions` call it
    belongs to: a batch of an earlier opening is stale."""

    topic: str
    partition: int
    from_offset: int
    next_offset: int
    records: Sequence[Record]
    opening: int


class BatchSchema(Schema):
    """Passes batches through Faust undecoded."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """Batches have no key."""

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """The batches of one fetch themselves, as a list."""
        return message.value
