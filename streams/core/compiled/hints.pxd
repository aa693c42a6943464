# cython: language_level=3
"""The index of deadlines in C, for the lane to add to."""

from libc.stdint cimport int64_t, uint64_t

from streams.core.compiled.orders cimport Names, Orders, Row

cdef class Bucket:
    cdef Names hints

cdef class Hints:
    cdef Orders orders
    cdef dict buckets
    cdef list starts  # A heap.
    cdef object to_sweep
    cdef int64_t first_start, first_ms  # The first bucket, where its earliest timer is known.
    cdef int64_t last_start  # The bucket that was added to last.
    cdef Bucket last
    cdef readonly int64_t hints

    cdef int note(self, int64_t effect_ms, uint64_t order) except -1
    cdef Bucket new_bucket(self, int64_t start)
    cdef Row* standing(self, int64_t start, uint64_t order) noexcept
    cdef int take_due(
        self, int64_t start, int64_t to_ms, list due, Bucket given, Py_ssize_t limit
    ) except -1
    cdef int keep_standing(self, int64_t start, Bucket bucket) except -1
    cdef int64_t earliest(self, Bucket bucket) noexcept
    cdef int drop_first(self) except -1
