# cython: language_level=3
"""The faces of a tally, for what counts orders in them and what tells the counts."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp

from streams.core.compiled.counts cimport Counts

cdef enum:
    SHORT_MAX = 48

cdef struct Card:  # What of an order's card says whose face it has.
    const char* names  # Kind, provider, merchant.
    const char* currency
    uint32_t names_size, currency_size
    uint32_t lengths  # Of all four as the card has them, a byte each.

cdef struct Slot:
    uint64_t hash
    PyObject* face  # NULL where it is free; the list of faces owns it.

cdef class Face:
    # What each order looks at stands in three lines of the processor's cache, and what a row is
    # told by in the fourth.
    cdef uint32_t lengths, names_size, currency_size
    cdef bint is_counted  # In the second that its counter turned to.
    cdef char[SHORT_MAX] short_texts
    cdef Counts counts
    cdef Py_ssize_t number  # Among the faces.
    cdef tuple scope  # One object for all faces of the scope, as `key` and `begun` are.
    cdef str currency
    cdef bytes key, begun, money_begun  # What rows are ordered by; how their JSON begins.
    cdef object gauge, money  # What is open in the scope, where it was found last.
    cdef bytes currency_key, texts  # The names and the currency, where they are longer.
    cdef char[32] rest  # To a whole number of lines.

cdef class Faces:
    cdef Slot* slots
    cdef uint64_t mask  # How many slots there are, less one.
    cdef list faces  # By number.
    cdef uint32_t* order  # The numbers of all, by scope and currency.
    cdef uint32_t* ranks  # By number, where each stands in that order; see `rank`.
    cdef Py_ssize_t room
    cdef bint is_ranked

    cdef PyObject* find(self, const char* card, Py_ssize_t size) except NULL
    cdef int rank(self) except -1
    cdef int clear(self) except -1
    cdef PyObject* add(self, Card* card, uint64_t hash) except NULL
    cdef int insert(self, Face face) except -1
    cdef int make_room(self) except -1
    cdef int spread(self, uint64_t slots) except -1


cdef inline int compare(bytes one, bytes other) noexcept:
    """Below 0 where one comes before the other, 0 where they are equal."""
    cdef Py_ssize_t more = PyBytes_GET_SIZE(one) - PyBytes_GET_SIZE(other)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(other) if more > 0 else PyBytes_GET_SIZE(one)
    cdef int found = memcmp(PyBytes_AS_STRING(one), PyBytes_AS_STRING(other), size)
    return found if found else (more > 0) - (more < 0)
