# cython: language_level=3
"""What counts orders, for the lane to count with, and the counts of each second."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from streams.core.compiled.counts cimport Counts
from streams.core.compiled.faces cimport Faces

cdef struct Cell:
    PyObject* face  # Owned.
    Counts counts

cdef class Cells:
    cdef Cell* cells
    cdef Py_ssize_t used, room

    cdef Cell* add(self, PyObject* face) except NULL
    cdef int empty(self) except -1

cdef class Counter:
    cdef object second_at
    cdef Faces faces
    cdef Cells cells  # Of the second that is counted in; while it is, its counts are in the faces.
    cdef int64_t begin_ms
    cdef uint64_t span_ms  # 0 where none is counted in.

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
    cdef Counts* counts(self, int64_t arrival_ms, const char* card, Py_ssize_t size) except NULL
    cdef int turn_to(self, int64_t arrival_ms) except -1
    cdef int stow(self) except -1
    cdef int take_up(self) except -1

cdef int move_to_row(Cell* cell, second) except -1
