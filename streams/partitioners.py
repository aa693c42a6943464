"""Whether both input topics are partitioned by the same hash of the key, seen from their records.

Java producers hash keys with murmur2, librdkafka's with CRC-32 by default. Topics hashed in
different ways part every order from its return, and every order would time out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from zlib import crc32

from aiokafka.partitioner import murmur2

from schemas.records import Record

KEYS_LOOKED_AT: Final = 50  # The first distinct ones of each topic partition.
KEYS_MIN: Final = 20  # Of a topic; with fewer nothing is known.
FITS_SHARE: Final = 0.95
HASHES: Final = ("murmur2", "crc32")


class Finding(Enum):
    """What the keys show."""

    SAME = "same"
    UNPROVEN = "unproven"
    DIFFERENT = "different"


def partition_by(name: str, key: bytes, partitions: int) -> int:
    """Where a producer puts a key: `murmur2` as Java's, `crc32` as librdkafka's."""
    hashed = murmur2(key) & 0x7FFFFFFF if name == "murmur2" else crc32(key)
    return int(hashed % partitions)


@dataclass(slots=True)
class _Topic:
    """The keys looked at by partition, and how many of them all there are and fit each hash:
    asked for with each batch, so they are not summed over the partitions anew."""

    keys: dict[int, set[bytes]] = field(default_factory=dict)
    count: int = 0
    fits: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HASHES, 0))


class Partitioners:
    """Looks at the keys of both topics as they are read."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._topics = (_Topic(), _Topic())  # By side.

    def look(self, side: int, partition: int, records: Iterable[Record]) -> bool:
        """Take in keys of a stretch; whether any of them was still worth a look."""
        seen = self._topics[side].keys.get(partition, ())
        if self._partitions == 1 or len(seen) >= KEYS_LOOKED_AT:
            return False
        keys = (record.key for record in records if record.key is not None)
        self.look_at_keys(side, partition, keys)
        return True

    def look_at_keys(self, side: int, partition: int, keys: Iterable[bytes]) -> None:
        """Take in keys of one topic partition, until there are enough distinct ones."""
        topic = self._topics[side]
        seen = topic.keys.setdefault(partition, set())
        for key in keys:
            if len(seen) >= KEYS_LOOKED_AT:
                break
            if key in seen:
                continue
            seen.add(key)
            topic.count += 1
            for name in HASHES:
                topic.fits[name] += partition_by(name, key, self._partitions) == partition

    def finding(self) -> Finding:
        """What is known by now."""
        if self._partitions == 1:
            return Finding.SAME
        if min(topic.count for topic in self._topics) < KEYS_MIN:
            return Finding.UNPROVEN
        submitted, returned = map(_fitting, self._topics)
        if submitted & returned:
            return Finding.SAME
        return Finding.DIFFERENT if submitted or returned else Finding.UNPROVEN

    def hashes(self, side: int) -> set[str]:
        """Those that the keys of one topic were put by; none where too few were seen to tell."""
        topic = self._topics[side]
        return _fitting(topic) if topic.count >= KEYS_MIN else set()

    def describe(self, side: int) -> str:
        """How well the keys of one topic fit each hash, for people."""
        topic = self._topics[side]
        return ", ".join(f"{topic.fits[name]} of {topic.count} keys fit {name}" for name in HASHES)


def _fitting(topic: _Topic) -> set[str]:
    enough = topic.count * FITS_SHARE
    return {name for name, fits in topic.fits.items() if fits >= enough}
