# cython: language_level=3
"""Records of a topic partition where they lie, in the bytes that were fetched."""

from libc.stdint cimport int32_t, int64_t, uint8_t

cdef struct Spot:
    int64_t offset
    int64_t timestamp_ms
    int64_t arrival_ms  # As it is worked; the sequence's to say.
    int64_t logged_ms  # As it stands in the log.
    const char* key
    const char* value
    int32_t key_size  # -1: null.
    int32_t value_size  # -1: null; its headers follow the value.
    uint8_t side
    bint has_headers
    bint is_lent  # Out of a Record that somebody has: nothing follows its value.

cdef struct Text:
    const uint8_t* at
    const uint8_t* end
    bint is_cut  # It ended before what was to be read of it.

cdef class Block:
    cdef Spot* spots
    cdef Py_ssize_t count, room
    cdef list owners, origins  # Of the bytes; and the Records that it was made from.
    cdef bytes owner  # The last of them.

    cdef object record(self, Py_ssize_t number)
    cdef int walk(self, const char* batch, int attributes, Text* text, int64_t from_offset) except -1
    cdef int grow(self, Py_ssize_t more) except -1

cdef int64_t read_varint(Text* text) noexcept
cdef Text headers_begin(const Spot* spot) noexcept
