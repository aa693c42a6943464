# cython: language_level=3
"""Memory for many small blocks of a few sizes."""

from libc.stdint cimport uint64_t

cdef extern from "pages.h":
    void* pages_take(size_t size) noexcept
    void pages_give(void* begin, size_t size) noexcept

cdef enum:
    STEP = 16  # Sizes differ by so many bytes,
    CLASSES = 65  # up to 1,024; what is larger is Python's allocator's.

cdef struct Free:
    Free* following

cdef struct Chunk:
    char* begin
    size_t size

cdef class Shed:
    cdef (Free*)[CLASSES] free
    cdef char* at  # Where the newest chunk is not used yet,
    cdef char* end  # and where it ends.
    cdef Chunk* chunks
    cdef Py_ssize_t count
    cdef size_t total

    cdef void* take(self, size_t size) except NULL
    cdef int give(self, void* block, size_t size) noexcept
    cdef int add_chunk(self) except -1
