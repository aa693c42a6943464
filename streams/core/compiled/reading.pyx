# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Values of plain records to events, in C: as read_submissions and read_returns of the codec do it.

msgspec reads the JSON here as there; what is compiled are the checks after it. A record that is
not plain, or that a check refuses, is the codec's to read.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy

from schemas import codec
from schemas.events import Return, Submission
from schemas.records import Record
from schemas.times import DAY_MS
from streams.core.compiled.structs cimport get, get_number, place_of

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef Py_ssize_t KEY = place_of(Record, "key")
cdef Py_ssize_t VALUE = place_of(Record, "value")
cdef Py_ssize_t TIMESTAMP = place_of(Record, "timestamp_ms")
cdef Py_ssize_t HEADERS = place_of(Record, "headers")
cdef int64_t AHEAD_MAX_MS = DAY_MS
cdef Py_ssize_t BYTES_MAX = codec.PLAIN_BYTES_MAX
cdef object REFUSED = codec.REFUSED
cdef set CURRENCIES = codec.CURRENCIES


cdef class Reader:
    """Reads the values of one topic."""
    cdef object decode, read_slowly
    cdef Py_ssize_t order_id, at_ms, amount, currency, absent

    def __init__(self, event, decode, read_slowly, str at_ms, str absent) -> None:
        """`at_ms` is the field of its time, `absent` one that no plain value has."""
        self.decode, self.read_slowly = decode, read_slowly
        self.order_id, self.at_ms = place_of(event, "order_id"), place_of(event, at_ms)
        self.amount, self.currency = place_of(event, "amount_minor"), place_of(event, "currency")
        self.absent = place_of(event, absent)

    def __call__(self, records) -> list:
        """The event of each record, in their order."""
        events = []
        for record in records:
            event = self.read_plain(record)
            events.append(self.read_slowly(record) if event is None else event)
        return events

    cdef object read_plain(self, object record):
        if type(record) is not Record or get(record, HEADERS):
            return None
        value, key = get(record, VALUE), get(record, KEY)
        if type(value) is not bytes or type(key) is not bytes:
            return None
        if PyBytes_GET_SIZE(value) > BYTES_MAX or not is_ascii(value):
            return None
        try:
            event = self.decode(value)
        except REFUSED:
            return None
        return event if self.is_right(event, record, key) else None

    cdef bint is_right(self, object event, object record, bytes key) except -1:
        cdef Py_ssize_t size
        cdef int is_over = 0
        # msgspec takes any size of integer; what no 64 bits hold is the codec's to refuse.
        cdef int64_t at_ms = PyLong_AsLongLongAndOverflow(get(event, self.at_ms), &is_over)
        cdef const char* order_id = PyUnicode_AsUTF8AndSize(get(event, self.order_id), &size)
        currency = get(event, self.currency)
        absent = get(event, self.absent)
        return (
            not is_over
            and size == len(key)
            and memcmp(order_id, PyBytes_AS_STRING(key), size) == 0
            and at_ms - AHEAD_MAX_MS <= <int64_t>get(record, TIMESTAMP)
            and (currency is None) == (get(event, self.amount) is None)
            and (currency is None or currency in CURRENCIES)
            and (absent is None or absent == ())
        )


cdef bint is_ascii(bytes text) noexcept:
    cdef const char* place = PyBytes_AS_STRING(text)
    cdef const char* end = place + PyBytes_GET_SIZE(text)
    cdef uint64_t word
    while end - place >= 8:
        memcpy(&word, place, 8)
        if word & <uint64_t>0x8080808080808080:
            return False
        place += 8
    while place < end:
        if place[0] & 0x80:
            return False
        place += 1
    return True


read_submissions = Reader(
    Submission, codec.decode_submission, codec.read_submission, "submitted_at", "traceparent"
)
read_returns = Reader(Return, codec.decode_return, codec.read_return, "returned_at", "slips")
