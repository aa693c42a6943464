# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The index of deadlines in C: as streams.core.timers, its hints being names of orders.

A name takes eight bytes, where the key of an order that was answered long ago took seventy.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.mem cimport PyMem_Free
from libc.stdint cimport uint32_t

from heapq import heapify, heappop, heappush

from streams.core.compiled.orders cimport DUE, append, effect_at, key_of
from streams.core.timers import BUCKET_BITS

cdef extern from "words.h":
    void look_ahead(const void* place) noexcept

cdef enum:
    AHEAD = 8  # So many hints further on the slot is asked for, before it is looked at.

cdef int BITS = BUCKET_BITS
cdef int64_t UNKNOWN = 2**62  # No bucket begins there.


@cython.final
cdef class Bucket:
    """Hints of timers within 16 ms."""

    def __dealloc__(self) -> None:
        PyMem_Free(self.hints.names)


@cython.final
cdef class Hints:
    """Of all orders that are kept."""

    def __init__(self, Orders orders) -> None:
        self.orders = orders
        self.clear()

    def clear(self) -> None:
        """Forget every hint."""
        self.buckets, self.starts, self.to_sweep = {}, [], iter(())
        self.first_start = self.last_start = UNKNOWN
        self.first_ms = self.hints = 0

    def add(self, int64_t effect_ms, bytes key) -> None:
        """Remember that the order, which is kept, may be due at `effect_ms`."""
        assert self.orders.find(PyBytes_AS_STRING(key), len(key)) != NULL, "it is not kept"
        self.note(effect_ms, self.orders.found())

    cdef int note(self, int64_t effect_ms, uint64_t order) except -1:
        cdef int64_t start = effect_ms >> BITS
        if start != self.last_start:  # Most orders are due soon after the one before.
            found = self.buckets.get(start)
            self.last = self.new_bucket(start) if found is None else <Bucket>found
            self.last_start = start
        append(&self.last.hints, order)
        self.hints += 1
        if start == self.first_start and effect_ms < self.first_ms:
            self.first_ms = effect_ms
        return 0

    cdef Bucket new_bucket(self, int64_t start):
        bucket = self.buckets[start] = Bucket()
        heappush(self.starts, start)
        return bucket

    def due(self, int64_t to_ms, Py_ssize_t limit) -> list:
        """Keys whose timer takes effect before `to_ms`, the most overdue bucket first, at most
        `limit`; they leave the index and have to be settled."""
        cdef list due = []
        cdef Bucket given = Bucket()  # By their names, because some are hinted at twice.
        cdef int64_t start
        cdef Py_ssize_t number
        while self.starts and len(due) < limit:
            start = self.starts[0]
            if start << BITS >= to_ms:
                break
            self.first_start = UNKNOWN
            self.take_due(start, to_ms, due, given, limit)
            if len(due) >= limit:  # It is overdue, so nobody has to look for its earliest.
                self.first_start, self.first_ms = start, start << BITS
            if len(due) >= limit or (<Bucket>self.buckets[start]).hints.count:
                break  # The bucket that `to_ms` or the limit falls into is the last one.
            self.drop_first()
        for number in range(given.hints.count):
            self.orders.named(given.hints.names[number]).flags &= ~DUE
        return due

    def next_ms(self) -> int | None:
        """When the next timer takes effect, or a little earlier where it was settled meanwhile;
        None if there is none."""
        cdef Bucket bucket
        cdef int64_t start
        while self.starts:
            start = self.starts[0]
            if self.first_start == start:
                return self.first_ms
            bucket = self.buckets[start]
            self.keep_standing(start, bucket)
            if bucket.hints.count:
                self.first_start, self.first_ms = start, self.earliest(bucket)
            else:
                self.drop_first()
        return None

    def overdue(self, int64_t now_ms, Py_ssize_t limit) -> list:
        """Keys whose timer takes effect before `now_ms`, at most `limit`, left where they are."""
        cdef Bucket bucket
        cdef Py_ssize_t number
        cdef Row* row
        cdef set found = set()
        for start in sorted([start for start in self.starts if start << BITS < now_ms]):
            bucket = self.buckets[start]
            for number in range(bucket.hints.count):
                row = self.orders.named(bucket.hints.names[number])
                if row != NULL and effect_at(row) < now_ms:
                    found.add(key_of(row))
            if len(found) >= limit:
                break
        return list(found)[:limit]

    def sweep(self, Py_ssize_t looks_max) -> None:
        """Let go of hints that stand no more, looking at so many, or a bucket more than that; the
        next call goes on where this one ended."""
        cdef Bucket bucket
        while looks_max > 0:
            start = next(self.to_sweep, None)
            if start is None:
                self.to_sweep = iter(list(self.buckets))
                return
            bucket = self.buckets.get(start)
            if bucket is not None:  # Empty or not, it stays one until it is due.
                looks_max -= bucket.hints.count
                self.keep_standing(start, bucket)
            looks_max -= 1

    def rebuild(self, _) -> None:
        """Forget every hint and take one of each order that is kept, as after a restore."""
        cdef uint32_t slot
        self.clear()
        for slot in range(self.orders.used):
            if self.orders.slots[slot].row != NULL:
                self.note(
                    effect_at(self.orders.slots[slot].row),
                    <uint64_t>self.orders.slots[slot].life << 32 | slot,
                )

    cdef Row* standing(self, int64_t start, uint64_t order) noexcept:
        """The order's row; NULL if it is gone, or its timer in another bucket by now."""
        cdef Row* row = self.orders.named(order)
        return row if row != NULL and effect_at(row) >> BITS == start else NULL

    cdef int take_due(
        self, int64_t start, int64_t to_ms, list due, Bucket given, Py_ssize_t limit
    ) except -1:
        """Move keys out of a bucket, the last first, until it holds only those that still wait, or
        the limit is reached."""
        cdef Bucket bucket = self.buckets[start], waiting = Bucket()
        cdef uint64_t order
        cdef Row* row
        cdef Py_ssize_t number, left = bucket.hints.count
        while left and len(due) < limit:
            left -= 1
            order = bucket.hints.names[left]
            if left >= AHEAD:
                look_ahead(&self.orders.slots[<uint32_t>bucket.hints.names[left - AHEAD]])
            row = self.standing(start, order)
            if row != NULL and effect_at(row) < to_ms:
                if not row.flags & DUE:
                    row.flags |= DUE
                    append(&given.hints, order)
                    due.append(key_of(row))
            elif row != NULL:
                append(&waiting.hints, order)
        self.hints -= bucket.hints.count - left - waiting.hints.count
        bucket.hints.count = left
        for number in range(waiting.hints.count):
            append(&bucket.hints, waiting.hints.names[number])
        return 0

    cdef int keep_standing(self, int64_t start, Bucket bucket) except -1:
        cdef Py_ssize_t number, kept = 0
        for number in range(bucket.hints.count):
            if number + AHEAD < bucket.hints.count:
                look_ahead(&self.orders.slots[<uint32_t>bucket.hints.names[number + AHEAD]])
            if self.standing(start, bucket.hints.names[number]) != NULL:
                bucket.hints.names[kept] = bucket.hints.names[number]
                kept += 1
        self.hints -= bucket.hints.count - kept
        bucket.hints.count = kept
        return 0

    cdef int64_t earliest(self, Bucket bucket) noexcept:
        """Of hints that all stand."""
        cdef int64_t first_ms = UNKNOWN
        cdef Py_ssize_t number
        for number in range(bucket.hints.count):
            first_ms = min(first_ms, effect_at(self.orders.named(bucket.hints.names[number])))
        return first_ms

    cdef int drop_first(self) except -1:
        start = heappop(self.starts)
        del self.buckets[start]
        if start == self.last_start:
            self.last_start = UNKNOWN
        return 0
