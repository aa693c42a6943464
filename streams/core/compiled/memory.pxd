# cython: language_level=3
"""Memory of C that grows."""

from cpython.mem cimport PyMem_Realloc


cdef inline void* moved(void* block, size_t size) except NULL:
    """The block with another size, wherever it stands now; as it was where there is no memory."""
    cdef void* larger = PyMem_Realloc(block, size)
    if larger == NULL:
        raise MemoryError
    return larger
