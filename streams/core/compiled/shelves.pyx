# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The remembered closed orders, in C: over the very shelves of `ClosedOrders`, as that lays them out.

An order is looked for as if nothing expired: whoever finds one asks `ClosedOrders` what it is.
"""

from cpython.bytearray cimport (
    PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from streams.core import closed as layout

assert (layout.ENTRY_BYTES, layout.HASH_BYTES) == (24, 16), "closed entries were changed"

cdef extern from "Python.h":
    PyObject* PyList_GET_ITEM(object items, Py_ssize_t number) noexcept  # Borrowed.

cdef extern from "words.h":
    void look_ahead(const void* place) noexcept

cdef enum:
    ENTRY_BYTES = 24
    CACHE_LINE = 64

cdef int64_t SHELF_ENTRIES_MAX = layout.SHELF_ENTRIES_MAX


cdef class Shelves:
    """Between `take_up` and `lay_down` nobody else may change the closed orders."""

    def __init__(self, closed) -> None:
        self.closed = closed
        self.remember_ms = closed.remember_ms

    cdef int take_up(self, bytearray closings) except -1:
        """`closings` gets the entries of the orders that are put in from now on."""
        self.shelves, self.closings = self.closed.shelves, closings
        self.mask, self.count = self.closed.full_mask, self.closed.count
        return 0

    cdef int lay_down(self) except -1:
        self.closed.full_mask, self.closed.count = self.mask, self.count
        return 0

    cdef int ask(self, const char* hashed) noexcept:
        """Have the shelf of a hash fetched into the cache; then `ask_entries` may follow."""
        look_ahead(PyList_GET_ITEM(self.shelves, self.number(hashed)))
        return 0

    cdef int ask_entries(self, const char* hashed) noexcept:
        cdef PyObject* shelf = PyList_GET_ITEM(self.shelves, self.number(hashed))
        cdef Py_ssize_t size = PyBytes_GET_SIZE(<object>shelf), at
        for at in range(0, size, CACHE_LINE):
            look_ahead(PyBytes_AS_STRING(<object>shelf) + at)
        return 0

    cdef bint knows(self, const char* hashed) except -1:
        """Whether the order with this hash stands there."""
        cdef bytes shelf
        cdef const char* place
        cdef const char* end
        cdef int64_t first, second
        shelf = self.shelves[self.number(hashed)]
        place = PyBytes_AS_STRING(shelf)
        end = place + len(shelf)
        first, second = number_at(hashed), number_at(hashed + 8)
        while place < end:
            if number_at(place) == first and number_at(place + 8) == second:
                return True
            place += ENTRY_BYTES
        return False

    cdef int put(
        self, const char* hashed, uint8_t attempt, uint8_t outcome, int64_t at_ms
    ) except -1:
        """Remember the order with this hash."""
        cdef char[ENTRY_BYTES] entry
        cdef Py_ssize_t number, expired, kept
        cdef bytes shelf, longer
        memcpy(entry, hashed, HASH_BYTES)
        entry[16], entry[17] = attempt, outcome
        memcpy(entry + 18, &at_ms, 6)
        self.note_closing(entry)
        number = self.number(hashed)
        shelf = self.shelves[number]
        expired = self.expired(shelf, at_ms)
        kept = len(shelf) - expired
        longer = PyBytes_FromStringAndSize(NULL, kept + ENTRY_BYTES)
        memcpy(PyBytes_AS_STRING(longer), PyBytes_AS_STRING(shelf) + expired, kept)
        memcpy(PyBytes_AS_STRING(longer) + kept, entry, ENTRY_BYTES)
        self.shelves[number] = longer
        self.count += 1 - expired // ENTRY_BYTES
        return self.split_one() if self.count > len(self.shelves) * SHELF_ENTRIES_MAX else 0

    cdef int note_closing(self, const char* entry) except -1:
        cdef Py_ssize_t size = PyByteArray_GET_SIZE(self.closings)
        PyByteArray_Resize(self.closings, size + ENTRY_BYTES)
        memcpy(PyByteArray_AS_STRING(self.closings) + size, entry, ENTRY_BYTES)
        return 0

    cdef Py_ssize_t number(self, const char* hashed) noexcept:
        """Of the shelf that the hash belongs on."""
        cdef uint32_t number
        cdef int64_t place
        memcpy(&number, hashed, 4)
        place = number & (self.mask * 2 + 1)
        return place if place < len(self.shelves) else number & self.mask

    cdef Py_ssize_t expired(self, bytes shelf, int64_t now_ms) noexcept:
        """How many bytes at the front of a shelf have expired."""
        cdef Py_ssize_t expired = 0
        cdef int64_t closed_at_ms = 0
        while expired < len(shelf):
            memcpy(&closed_at_ms, PyBytes_AS_STRING(shelf) + expired + 18, 6)
            if closed_at_ms + self.remember_ms >= now_ms:
                break
            expired += ENTRY_BYTES
        return expired

    cdef int split_one(self) except -1:
        """As ClosedOrders does it."""
        cdef int64_t level = self.mask + 1
        cdef Py_ssize_t number = len(self.shelves) - level, place
        cdef bytes shelf = self.shelves[number]
        cdef Py_ssize_t size = len(shelf)
        cdef bytes high = PyBytes_FromStringAndSize(NULL, size)
        cdef bytes low = PyBytes_FromStringAndSize(NULL, size)
        cdef const char* source = PyBytes_AS_STRING(shelf)
        cdef char* to_high = PyBytes_AS_STRING(high)
        cdef char* to_low = PyBytes_AS_STRING(low)
        cdef uint32_t word
        for place in range(0, size, ENTRY_BYTES):
            memcpy(&word, source + place, 4)
            if word & level:
                memcpy(to_high, source + place, ENTRY_BYTES)
                to_high += ENTRY_BYTES
            else:
                memcpy(to_low, source + place, ENTRY_BYTES)
                to_low += ENTRY_BYTES
        self.shelves[number] = low[: to_low - PyBytes_AS_STRING(low)]
        self.shelves.append(high[: to_high - PyBytes_AS_STRING(high)])
        if len(self.shelves) == level * 2:
            self.mask = level * 2 - 1
        return 0


def hash_of(bytes key) -> bytes:
    """What an order is remembered by, as closed.order_hash; ValueError for a longer key than one
    block of the hash."""
    cdef char[HASH_BYTES] hashed
    if len(key) > KEY_BYTES_MAX:
        raise ValueError(f"a key of {len(key)} bytes is more than one block")
    order_hash(PyBytes_AS_STRING(key), len(key), hashed)
    return PyBytes_FromStringAndSize(hashed, HASH_BYTES)
