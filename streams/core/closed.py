"""The remembered closed orders, packed to about 30 bytes each.

Owns which orders were closed, as which attempt, with which outcome and when. An order is known
by a 16-byte hash of its id. Closing times never go backwards, so what expires stands in front.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct
from typing import Final

from streams.core.outcomes import FINAL_OUTCOMES

HASH_BYTES: Final = 16
CONFLICT: Final = "conflict"
_ENTRY: Final = Struct("<16sBBQ")  # Hash, attempt, outcome, closing time in ms.
ENTRY_BYTES: Final = _ENTRY.size - 2  # 24: the closing time needs six bytes of its eight.
_number_of: Final = Struct("<I").unpack_from
_numbers_of: Final = Struct("<I20x").iter_unpack  # Of all entries of a shelf.
SHELF_ENTRIES_MAX: Final = 24  # On average; 24 x 24 bytes keep a shelf's own cost below 10 %.


def order_hash(key: bytes) -> bytes:
    """What an order is remembered by; the key is its id in UTF-8."""
    return blake2b(key, digest_size=HASH_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed order: the attempt that was answered, the outcome that stands, the closing time."""

    attempt: int
    outcome: str
    closed_at_ms: int

    def meets(self, attempt: int, outcome: str) -> str:
        """What a final return is that names no newer attempt (0: none at all): CONFLICT, or what
        it is counted as."""
        is_older = 0 < attempt < self.attempt
        both_accepted = self.outcome == outcome == "accepted"
        if is_older and not both_accepted:
            return "older_returns"
        if is_older or outcome != self.outcome:  # Older and accepted twice: paid twice.
            return CONFLICT
        return "duplicate_returns"


class ClosedOrders:
    """A hash table of shelves, each one bytes object of entries; it grows shelf by shelf."""

    def __init__(self, remember_ms: int) -> None:
        self.remember_ms = remember_ms
        self.shelves: list[bytes] = [b""]
        self.full_mask = 0  # Of the level that is complete: shelves 0 to mask.
        self._sweep_at = 0
        self.count = 0

    def add(self, hashed: bytes, closed: Closed) -> bytes:
        """Remember an order; gives its packed entry, the form it has in a closed segment."""
        outcome = FINAL_OUTCOMES.index(closed.outcome)
        return self.put(hashed, closed.attempt, outcome, at_ms=closed.closed_at_ms)

    def put(self, hashed: bytes, attempt: int, outcome: int, *, at_ms: int) -> bytes:
        """The same, the outcome by its number."""
        entry = _ENTRY.pack(hashed, attempt, outcome, at_ms)[:ENTRY_BYTES]
        self.add_packed(entry, at_ms)
        return entry

    def add_packed(self, packed: bytes, now_ms: int) -> None:
        """The same for an entry from a closed segment; `now_ms` lets go of what has expired."""
        shelves, number = self.shelves, _number_of(packed)[0]
        at = number & (self.full_mask * 2 + 1)
        if at >= len(shelves):
            at = number & self.full_mask
        shelf = shelves[at]
        if shelf and int.from_bytes(shelf[18:ENTRY_BYTES], "little") + self.remember_ms < now_ms:
            shelf = self._without_expired(shelf, now_ms)
        shelves[at] = shelf + packed
        self.count += 1
        if self.count > len(shelves) * SHELF_ENTRIES_MAX:
            self._split_one()

    def find(self, hashed: bytes, arrival_ms: int) -> Closed | None:
        """The newest closing of an order that a record arriving then still meets."""
        number = _number_of(hashed)[0]
        at = number & (self.full_mask * 2 + 1)
        shelf = self.shelves[at if at < len(self.shelves) else number & self.full_mask]
        if hashed not in shelf:  # The usual case, and ten times as quick as to look from the end.
            return None
        at = shelf.rfind(hashed)
        while at > 0 and at % ENTRY_BYTES:  # Found across two entries: no entry at all.
            at = shelf.rfind(hashed, 0, at + HASH_BYTES - 1)
        if at < 0 or self._expired(shelf, at, arrival_ms):
            return None
        _, attempt, outcome, closed_at_ms = _unpack(shelf, at)
        return Closed(attempt, FINAL_OUTCOMES[outcome], closed_at_ms)

    def sweep(self, now_ms: int, shelves: int) -> None:
        """Let go of what has expired on the next few shelves."""
        for _ in range(min(shelves, len(self.shelves))):
            self._sweep_at = (self._sweep_at + 1) % len(self.shelves)
            shelf = self.shelves[self._sweep_at]
            if shelf and self._expired(shelf, 0, now_ms):
                self.shelves[self._sweep_at] = self._without_expired(shelf, now_ms)

    def __iter__(self) -> Iterator[tuple[bytes, Closed]]:
        for shelf in self.shelves:
            for at in range(0, len(shelf), ENTRY_BYTES):
                hashed, attempt, outcome, closed_at_ms = _unpack(shelf, at)
                yield hashed, Closed(attempt, FINAL_OUTCOMES[outcome], closed_at_ms)

    def _expired(self, shelf: bytes, at: int, arrival_ms: int) -> bool:
        closed_at_ms = int.from_bytes(shelf[at + 18 : at + ENTRY_BYTES], "little")
        return closed_at_ms + self.remember_ms < arrival_ms

    def _without_expired(self, shelf: bytes, now_ms: int) -> bytes:
        at = ENTRY_BYTES
        while at < len(shelf) and self._expired(shelf, at, now_ms):
            at += ENTRY_BYTES
        self.count -= at // ENTRY_BYTES
        return shelf[at:]

    def _split_one(self) -> None:
        """Linear hashing: one shelf is parted in two, so that growth never stops the reading."""
        level = self.full_mask + 1  # The bit of its number that says which half an entry is of.
        at = len(self.shelves) - level
        shelf = self.shelves[at]
        halves: tuple[list[bytes], list[bytes]] = ([], [])
        for start, (number,) in zip(
            range(0, len(shelf), ENTRY_BYTES), _numbers_of(shelf), strict=True
        ):
            halves[number & level > 0].append(shelf[start : start + ENTRY_BYTES])
        self.shelves[at] = b"".join(halves[0])
        self.shelves.append(b"".join(halves[1]))
        if len(self.shelves) == level * 2:
            self.full_mask = level * 2 - 1


def entries_of(segment: bytes) -> Iterator[bytes]:
    """The entries of a closed segment, oldest first; ValueError if it is cut."""
    if len(segment) % ENTRY_BYTES:
        raise ValueError(f"a closed segment of {len(segment)} bytes is not whole entries")
    for at in range(0, len(segment), ENTRY_BYTES):
        yield segment[at : at + ENTRY_BYTES]


def closing_ms(entry: bytes) -> int:
    """The closing time of a packed entry."""
    return int.from_bytes(entry[18:ENTRY_BYTES], "little")


def _unpack(shelf: bytes, at: int) -> tuple[bytes, int, int, int]:
    return _ENTRY.unpack(shelf[at : at + ENTRY_BYTES] + b"\0\0")
