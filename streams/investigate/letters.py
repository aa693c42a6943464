"""The dead letters: which of them are looked for, and which were sent again.

Reads letters and markers in one go; a marker stands behind its letter in the same partition, so
whoever has read a letter and on to the end knows.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import TopicPartition

from schemas.cloudevents import envelope, structured_data
from schemas.deadletters import Requeued, StoredLetter, read_letter, read_marker
from schemas.jsontext import NotAnObject, load_object
from schemas.records import Record
from streams.investigate.search import LogSearch, Stretches

LETTERS_MAX: Final = 5_000  # Kept at once; of more the oldest of each partition.
LETTERS_BYTES_MAX: Final = 64 * 1024 * 1024

Place = tuple[int, int]  # Partition and offset of a letter.


@dataclass(frozen=True, slots=True)
class Wish:
    """Which letters: by the topic their record stood in, a field that is wrong, the provider,
    the record's time in [from_ms, to_ms), or by their places. None means any."""

    topic: str | None = None
    field: str | None = None
    provider: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    places: frozenset[Place] | None = None

    @property
    def is_for_all(self) -> bool:
        """Whether nothing is asked for."""
        return self == Wish()

    def takes(self, letter: StoredLetter) -> bool:
        """Whether this one is meant."""
        at_ms = letter.record.timestamp_ms
        return (
            (self.places is None or letter.place in self.places)
            and (self.topic is None or letter.topic == self.topic)
            and (self.field is None or any(it.field == self.field for it in letter.problems))
            and (self.from_ms is None or at_ms >= self.from_ms)
            and (self.to_ms is None or at_ms < self.to_ms)
            and (self.provider is None or provider_of(letter) == self.provider)
        )


@dataclass(slots=True)
class Letters:
    """The letters that were found; `requeued` is by place, of letters that are not wished as well;
    `is_cut` says that there are more."""

    found: list[StoredLetter] = field(default_factory=list)
    requeued: dict[Place, Requeued] = field(default_factory=dict)
    is_cut: bool = False
    leaves_out: frozenset[Place] = frozenset()
    _bytes: int = 0

    def take(self, partition: int, record: Record, wish: Wish) -> None:
        """Look at the next record of a partition."""
        mark = read_marker(record)
        if mark is not None:
            self.requeued[mark.letter] = mark
            return
        letter = read_letter(partition, record)
        if letter is None or letter.place in self.leaves_out or not wish.takes(letter):
            return
        size_bytes = len(record.value or b"")
        if self.found and (
            len(self.found) >= LETTERS_MAX or self._bytes + size_bytes > LETTERS_BYTES_MAX
        ):
            self.is_cut = True
            return
        self._bytes += size_bytes
        self.found.append(letter)

    def waiting(self) -> Iterator[StoredLetter]:
        """Those that were not sent again."""
        return (letter for letter in self.found if letter.place not in self.requeued)

    def of(self, partition: int) -> "Letters":
        """Those of one partition."""
        found = [letter for letter in self.found if letter.partition == partition]
        return Letters(found, self.requeued, self.is_cut)

    def missing(self, places: Iterable[Place]) -> list[Place]:
        """Those of the places where no letter stands."""
        there = {letter.place for letter in self.found}
        return sorted(place for place in places if place not in there)


async def read_letters(
    search: LogSearch,
    stretches: Stretches,
    wish: Wish,
    *,
    without: Mapping[Place, Requeued] | None = None,
) -> Letters:
    """The letters of these stretches that are wished, oldest first in each partition; not those
    that are known to have been sent again, where such are given."""
    letters = Letters(requeued=dict(without or {}), leaves_out=frozenset(without or ()))
    keeps = {tp: _taking(letters, tp, wish) for tp in stretches}
    await search.find(stretches, keeps)
    letters.found.sort(key=lambda letter: letter.place)
    return letters


async def stretches_of(
    search: LogSearch, topic: str, wish: Wish, *, ends: Mapping[TopicPartition, int] | None = None
) -> Stretches:
    """Where the wished letters stand and on to the end, or to `ends`, which may lie beyond what is
    committed by now."""
    counts = await search.partitions([topic])
    numbers: Iterable[int] = range(counts[topic])
    if wish.places is not None:
        numbers = sorted({partition for partition, _ in wish.places} & set(numbers))
    tps = [TopicPartition(topic, number) for number in numbers]
    found = await search.stretches(tps, wish.from_ms or 0, None)
    if ends is None:
        return found
    return {tp: type(it)(it.start, ends[tp]) for tp, it in found.items() if tp in ends}


def fields_of(letter: StoredLetter) -> dict[str, Any]:
    """The fields of its record, a CloudEvent's being those of its data; NotAnObject if none."""
    document = load_object(letter.record.value)
    return structured_data(document) if envelope(letter.record.headers).structured else document


def provider_of(letter: StoredLetter) -> str | None:
    """As the record says, where that can be read."""
    try:
        provider = fields_of(letter).get("provider")
    except NotAnObject:
        return None
    return provider if isinstance(provider, str) else None


def _taking(letters: Letters, tp: TopicPartition, wish: Wish) -> Any:
    def take(it: Any) -> bool:
        record = Record(it.offset, it.timestamp, it.key, it.value, it.headers)
        letters.take(tp.partition, record, wish)
        return False

    return take
