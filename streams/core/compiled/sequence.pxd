# cython: language_level=3
"""Merged records, for the lane to work."""

from cpython.object cimport PyObject

from streams.core.compiled.blocks cimport Spot

cdef struct Item:
    Spot* spot
    PyObject* block  # Of the spot; a portion keeps it.

cdef class Portion:
    cdef Item* items
    cdef Py_ssize_t count
    cdef list blocks, made
    cdef Portion whole  # That this is a part of, and that owns the items.

    cdef object made_entry(self, Py_ssize_t number)
    cdef object entry(self, Py_ssize_t number)
