"""A record batch whose records are written already, as aiokafka's sender takes one.

Does what is left of `BatchBuilder`'s work once nothing is appended any more: the header of the
batch, Kafka's record batch format 2 (KIP-98), which needs to know the producer.
"""

import time
from struct import Struct
from typing import Any, Final

from aiokafka.record.util import calc_crc32c

from streams.core import compiled

_SIZED: Final = Struct(">qi")  # The first offset, the broker's to say; the bytes that follow.
_CHECKED: Final = Struct(">ibI")  # The leader's epoch, nobody's yet; the format; the checksum.
_HEADER: Final = Struct(">hiqqqhii")
HEADER_BYTES: Final = _SIZED.size + _CHECKED.size + _HEADER.size
_FORMAT: Final = 2
_TRANSACTIONAL: Final = 0x10


class Filled:
    """One of a transactional producer; all its records have the time at which it was made."""

    def __init__(self, batch: bytearray, records: int) -> None:
        """`batch` has HEADER_BYTES in front for what is written here."""
        self._batch = batch
        self._records = records
        self._made_ms = time.time_ns() // 1_000_000
        self._producer = (-1, -1, 0)  # Its id, its epoch, the batch's first sequence number.

    def record_count(self) -> int:
        """How many records there are."""
        return self._records

    def size(self) -> int:
        """In bytes, with the header."""
        return len(self._batch)

    def close(self) -> None:
        """It always is."""

    def closed(self) -> bool:
        """Whether nothing can be appended."""
        return True

    def append(self, **_record: Any) -> None:
        """As a batch that is full."""

    def _set_producer_state(
        self, producer_id: int, producer_epoch: int, base_sequence: int
    ) -> None:
        self._producer = producer_id, producer_epoch, base_sequence

    def _build(self) -> bytearray:
        batch, records = self._batch, self._records
        made = (_TRANSACTIONAL, records - 1, self._made_ms, self._made_ms)
        _SIZED.pack_into(batch, 0, 0, len(batch) - _SIZED.size)
        _HEADER.pack_into(batch, HEADER_BYTES - _HEADER.size, *made, *self._producer, records)
        checksum = _checksum(memoryview(batch)[HEADER_BYTES - _HEADER.size :])
        _CHECKED.pack_into(batch, _SIZED.size, -1, _FORMAT, checksum)
        return batch


def _checksum(data: memoryview) -> int:
    found = compiled.pairs.checksum(data)
    return calc_crc32c(data) if found is None else found
