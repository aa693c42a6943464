# cython: language_level=3
"""Keys and values in one piece of memory."""

from libc.stdint cimport int32_t

cdef struct Sizes:
    int32_t key
    int32_t value  # -1: none.

cdef class Pairs:
    cdef char* begin  # Of each pair its sizes, the key, the value.
    cdef Py_ssize_t size, room, count, value_max

    cdef int add(
        self, bytes prefix, const char* key, Py_ssize_t key_size, const char* value,
        Py_ssize_t value_size
    ) except -1
    cdef tuple batch(self, Py_ssize_t begin, Py_ssize_t bytes_max)
    cdef Pairs with_prefix(self, bytes prefix)
    cdef int forget(self) noexcept
