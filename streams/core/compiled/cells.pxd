# cython: language_level=3
"""The counts of a second, for the lane to count in and for what tells them."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint64_t

from streams.core.compiled.faces cimport Face, Faces

cdef extern from "words.h":
    void fetch(const char* place)

cdef enum:
    OUTCOMES = 3
    BUCKETS = 256  # Of delays there are no more.
    BUCKETS_MAX = 8  # Of one cell; with more different delays it has room for all.

cdef struct Cell:
    PyObject* face  # Owned, as is the dict of codes, NULL while there are none.
    PyObject* codes
    int64_t* all_times  # By bucket, of those that have no place in `buckets`; or NULL.
    int64_t submitted, open_minor
    int64_t[OUTCOMES] outcomes
    int64_t[BUCKETS_MAX] times
    uint8_t[BUCKETS_MAX] buckets
    int buckets_used

cdef class Cells:
    cdef Cell* cells
    cdef Py_ssize_t used, room
    cdef uint64_t stamp  # A face with the same has one of these cells.

    cdef Cell* add(self, Face face) except NULL
    cdef int recall(self) except -1
    cdef int empty(self) except -1

cdef class Counter:
    cdef object second_at
    cdef Faces faces
    cdef Cells cells
    cdef int64_t begin_ms
    cdef uint64_t span_ms

    cdef int opened(
        self, int64_t arrival_ms, int64_t amount, const char* card, Py_ssize_t size
    ) except -1
    cdef int answered(
        self,
        int64_t arrival_ms,
        int64_t delay_ms,
        int64_t amount,
        const char* card,
        Py_ssize_t size,
        int outcome,
        object code,
    ) except -1
    cdef Cell* cell(self, int64_t arrival_ms, const char* card, Py_ssize_t size) except NULL
    cdef int turn_to(self, int64_t arrival_ms) except -1

cdef int move_to_row(Cell* cell, second) except -1


cdef inline bint is_empty(Cell* cell) noexcept:
    """Nothing was counted since it was flushed."""
    return not (cell.submitted or cell.outcomes[0] or cell.outcomes[1] or cell.outcomes[2])


cdef inline void expect(const char* card) noexcept:
    """Of an order that was not looked at for long: it takes a while until its card is there."""
    fetch(card)
    fetch(card + 64)
