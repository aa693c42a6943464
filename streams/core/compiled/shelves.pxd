# cython: language_level=3
"""The closed orders, for the lane to look in and put into."""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

cdef extern from "blake2b.h":
    void order_hash(const char* text, size_t length, char* digest) noexcept

cdef enum:
    HASH_BYTES = 16
    KEY_BYTES_MAX = 128  # One block of the hash.


cdef inline int64_t number_at(const char* place) noexcept:
    cdef int64_t number
    memcpy(&number, place, 8)
    return number


cdef class Shelves:
    cdef object closed
    cdef list shelves
    cdef bytearray closings
    cdef int64_t remember_ms, mask, count

    cdef int take_up(self, bytearray closings) except -1
    cdef int lay_down(self) except -1
    cdef int ask(self, const char* hashed) noexcept
    cdef int ask_entries(self, const char* hashed) noexcept
    cdef bint knows(self, const char* hashed) except -1
    cdef int put(self, const char* hashed, uint8_t attempt, uint8_t outcome, int64_t at_ms) except -1
    cdef int note_closing(self, const char* entry) except -1
    cdef Py_ssize_t number(self, const char* hashed) noexcept
    cdef Py_ssize_t expired(self, bytes shelf, int64_t now_ms) noexcept
    cdef int split_one(self) except -1
