# cython: language_level=3
"""The fields of a cell, for the lane to count in."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef enum:
    BUCKETS_MAX = 24  # Of one cell; more different delays go into a dict.

cdef class Cell:
    cdef readonly tuple scope
    cdef readonly str currency
    cdef int64_t submitted, open_minor
    cdef int64_t[3] outcomes
    cdef int buckets_used
    cdef uint8_t[BUCKETS_MAX] buckets
    cdef uint32_t[BUCKETS_MAX] times
    cdef dict more_delays, codes
    cdef tuple begun  # What its row is sorted by, and what the JSON of it begins with.

    cdef int count_opened(self, int64_t amount) except -1
    cdef int count_answered(self, int outcome, object code, int64_t delay_ms, int64_t amount) except -1
    cdef int sort_buckets(self) except -1

cdef Cell new_cell(tuple face)
