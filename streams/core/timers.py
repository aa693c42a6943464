"""The index of deadlines: which orders may be due, by the time their timer takes effect.

Owns hints only. Whether a timer still stands is asked of the order itself (`effect_of`), so nobody
has to remove one when an order is answered, and the index can be built anew from the orders.
"""

from collections.abc import Callable, Collection, Container, Iterator
from heapq import heapify, heappop, heappush
from typing import Final

# One bucket holds 2^4 = 16 ms: narrow enough that the one being worked is looked through quickly.
BUCKET_BITS: Final = 4
LOOKED_AT_ONCE: Final = 64  # Hints of a bucket.
_UNKNOWN: Final = (2**62, 0)  # No bucket begins there.


class Timers:
    """Order keys in buckets of time."""

    def __init__(
        self, effect_of: Callable[[bytes], int | None], standing: Container[bytes]
    ) -> None:
        """`effect_of` says when an order's timer takes effect, None for one that is not `standing`:
        of most hints the order was answered, and to know that is a fifth of the time."""
        self._effect_of = effect_of
        self._standing = standing
        self.buckets: dict[int, list[bytes]] = {}
        self._starts: list[int] = []
        self.first = _UNKNOWN  # The first bucket and its earliest timer.
        self._to_sweep: Iterator[int] = iter(())
        self.hints = 0  # At least as many as there are.

    def add(self, effect_ms: int, key: bytes) -> None:
        """Remember that the order may be due at `effect_ms`."""
        self.hints += 1
        start = effect_ms >> BUCKET_BITS
        bucket = self.buckets.get(start)
        if bucket is None:
            self.buckets[start] = [key]
            heappush(self._starts, start)
            return
        bucket.append(key)
        if self.first[0] == start:
            self.first = (start, min(effect_ms, self.first[1]))

    def due(self, to_ms: int, limit: int) -> list[bytes]:
        """Keys whose timer takes effect before `to_ms`, the most overdue bucket first, at most
        `limit`; they leave the index and have to be settled."""
        due: dict[bytes, None] = {}  # Some are hinted at twice.
        while self._starts and self._starts[0] << BUCKET_BITS < to_ms and len(due) < limit:
            self.first = _UNKNOWN
            start = self._starts[0]
            bucket = self.buckets[start]
            waiting = self._take_due(start, to_ms, due, limit=limit)
            bucket += waiting
            self.hints += len(waiting)
            if len(due) >= limit:  # It is overdue, so nobody has to look for its earliest.
                self.first = (start, start << BUCKET_BITS)
            if bucket or len(due) >= limit:
                break  # The bucket that `to_ms` or the limit falls into is the last one.
            heappop(self._starts)
            del self.buckets[start]
        return list(due)

    def next_ms(self) -> int | None:
        """When the next timer takes effect, or a little earlier where it was settled meanwhile;
        None if there is none."""
        while self._starts:
            start = self._starts[0]
            if self.first[0] == start:
                return self.first[1]
            live = [key for key in self.buckets[start] if self._is_in(start, key)]
            if live:
                self.buckets[start] = live
                effects = (self._effect_of(key) for key in live)
                self.first = (start, min(effect for effect in effects if effect is not None))
            else:
                heappop(self._starts)
                del self.buckets[start]
        return None

    def overdue(self, now_ms: int, limit: int) -> list[bytes]:
        """Keys whose timer takes effect before `now_ms`, at most `limit`, left where they are."""
        starts = sorted(start for start in self._starts if start << BUCKET_BITS < now_ms)
        found: set[bytes] = set()
        for start in starts:
            for key in self.buckets[start]:
                effect_ms = self._effect_of(key)
                if effect_ms is not None and effect_ms < now_ms:
                    found.add(key)
            if len(found) >= limit:
                break
        return list(found)[:limit]

    def sweep(self, looks_max: int) -> None:
        """Let go of hints that stand no more, looking at so many, or a bucket more than that; the
        next call goes on where this one ended."""
        while looks_max > 0:
            start = next(self._to_sweep, None)
            if start is None:
                self._to_sweep = iter(list(self.buckets))
                return
            bucket = self.buckets.get(start, ())
            live = [key for key in bucket if key in self._standing and self._is_in(start, key)]
            if len(live) < len(bucket):  # Empty or not, it stays a bucket until it is due.
                self.hints -= len(bucket) - len(live)
                self.buckets[start] = live
            looks_max -= len(bucket) + 1

    def rebuild(self, keys: Collection[bytes]) -> None:
        """Forget every hint and take one of each of these orders, as after a restore."""
        self.first = _UNKNOWN
        self.hints = len(keys)
        self.buckets = {}
        for key in keys:
            effect_ms = self._effect_of(key)
            assert effect_ms is not None, "an order that is not kept has no timer"
            self.buckets.setdefault(effect_ms >> BUCKET_BITS, []).append(key)
        self._starts = list(self.buckets)
        heapify(self._starts)

    def _take_due(
        self, start: int, to_ms: int, due: dict[bytes, None], *, limit: int
    ) -> list[bytes]:
        """Move keys out of a bucket until it is empty or the limit reached; gives those that
        still wait. Taken from its end, so that a bucket of a million costs each key one look."""
        bucket, standing = self.buckets[start], self._standing
        waiting = []
        while bucket and len(due) < limit:
            last = bucket[-LOOKED_AT_ONCE:]
            del bucket[-LOOKED_AT_ONCE:]
            live = [key for key in last if key in standing]
            self.hints -= len(last)
            while live and len(due) < limit:
                key = live.pop()
                effect_ms = self._effect_of(key)
                if effect_ms is None or effect_ms >> BUCKET_BITS != start:
                    continue  # It stands in another bucket by now.
                if effect_ms < to_ms:
                    due[key] = None
                else:
                    waiting.append(key)
            bucket += live
            self.hints += len(live)
        return waiting

    def _is_in(self, start: int, key: bytes) -> bool:
        effect_ms = self._effect_of(key)
        return effect_ms is not None and effect_ms >> BUCKET_BITS == start
