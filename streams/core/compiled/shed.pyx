# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Memory for many small blocks of a few sizes, side by side in large pages.

What is given back is taken again for blocks of the same size; chunks go when the shed does.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc

from streams.core.compiled.memory cimport moved

cdef enum:
    FIRST_CHUNK = 16 * 1024
    LAST_CHUNK = 2 << 20  # One large page.


@cython.final
cdef class Shed:
    """Blocks larger than its classes are not its own, and go before it does."""

    def __dealloc__(self) -> None:
        cdef Py_ssize_t number
        for number in range(self.count):
            pages_give(self.chunks[number].begin, self.chunks[number].size)
        PyMem_Free(self.chunks)

    cdef void* take(self, size_t size) except NULL:
        """A block of so many bytes at least."""
        cdef size_t kind = (size + STEP - 1) // STEP
        cdef void* block
        if kind >= CLASSES:
            block = PyMem_Malloc(size)
            if block == NULL:
                raise MemoryError
            return block
        if self.free[kind] != NULL:
            block = self.free[kind]
            self.free[kind] = self.free[kind].following
            return block
        if <size_t>(self.end - self.at) < kind * STEP:
            self.add_chunk()
        block = self.at
        self.at += kind * STEP
        return block

    cdef int give(self, void* block, size_t size) noexcept:
        """Back, with the size that it was taken with."""
        cdef size_t kind = (size + STEP - 1) // STEP
        if kind >= CLASSES:
            PyMem_Free(block)
            return 0
        (<Free*>block).following = self.free[kind]
        self.free[kind] = <Free*>block
        return 0

    cdef int add_chunk(self) except -1:
        """As large as all so far together, up to a large page."""
        cdef size_t size = min(max(self.total, FIRST_CHUNK), LAST_CHUNK)
        cdef char* begin
        self.chunks = <Chunk*>moved(self.chunks, (self.count + 1) * sizeof(Chunk))
        begin = <char*>pages_take(size)
        if begin == NULL:
            raise MemoryError
        self.chunks[self.count].begin, self.chunks[self.count].size = begin, size
        self.count += 1
        self.total += size
        self.at, self.end = begin, begin + size
        return 0
