# cython: language_level=3
"""The orders of a partition number in C, for the lane to look in and put into."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from streams.core.compiled.pairs cimport Pairs
from streams.core.compiled.shed cimport Shed

cdef enum:
    DIGEST_BYTES = 16
    CHANGED = 1  # Since the last checkpoint.
    KEPT = 2  # The last checkpoint holds the order, in whatever form.
    DIGESTED = 4  # Its digest stands with it.
    DUE = 8  # It is among those that are just being given.

cdef struct Row:
    uint32_t packed_size
    uint16_t key_size
    uint8_t flags
    char[DIGEST_BYTES] digest  # What it will be remembered by once it is closed.
    char[1] text  # The key, then the packed form.

cdef struct Slot:
    Row* row  # NULL where it is free.
    uint32_t life  # How many orders have been in it before; with its number it names one.
    uint32_t next_free

cdef struct Names:
    uint64_t* names
    Py_ssize_t count, room

cdef class Orders:
    cdef Shed rows
    cdef Slot* slots
    cdef uint64_t* index  # By hash: 32 bits of it, then the slot's number and one; 0 is free.
    cdef uint64_t mask
    cdef uint32_t used, room, first_free
    cdef Py_ssize_t count
    cdef uint32_t looked_for, at  # The hash that `find` looked for, and where in the index it ended.
    cdef Names changed
    cdef Pairs gone  # Keys of orders that the last checkpoint holds.

    cdef uint32_t ask_index(self, const char* key, Py_ssize_t size) noexcept
    cdef int ask_slot(self, uint32_t hashed) noexcept
    cdef Row* ask_row(self, uint32_t hashed) noexcept
    cdef int ask_changed(self, Py_ssize_t number) noexcept
    cdef uint64_t entry_of(self, uint32_t hashed) noexcept
    cdef Row* find_hashed(self, const char* key, Py_ssize_t size, uint32_t hashed) noexcept
    cdef Row* find(self, const char* key, Py_ssize_t size) noexcept
    cdef Row* keep(self, bytes key, bytes packed) except NULL
    cdef uint64_t found(self) noexcept
    cdef Row* add(self, const char* key, Py_ssize_t key_size, Py_ssize_t packed_size) except NULL
    cdef int take_away(self) except -1
    cdef Row* named(self, uint64_t name) noexcept
    cdef int note_change(self, Row* row, uint64_t name) except -1
    cdef Row* replace(self, Row* row, Py_ssize_t packed_size) except NULL
    cdef uint32_t free_slot(self) except? 0
    cdef int make_room(self) except -1
    cdef int close_gap(self) noexcept
    cdef int spread(self, uint64_t places) except -1

cdef inline size_t size_of(const Row* row) noexcept:
    return sizeof(Row) + row.key_size + row.packed_size


cdef int append(Names* names, uint64_t name) except -1
cdef object key_of(const Row* row)


cdef inline char* packed_at(Row* row) noexcept:
    return row.text + row.key_size


cdef inline int64_t effect_at(Row* row) noexcept:
    """When its timer takes effect."""
    cdef int64_t effect_ms
    memcpy(&effect_ms, row.text + row.key_size + 3, 8)
    return effect_ms
