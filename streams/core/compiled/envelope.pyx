# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What the headers of a record say, where they lie: as schemas.cloudevents reads them."""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcmp

from streams.core.compiled.blocks cimport Text, headers_begin, read_varint

cdef const char* ZEROS = b"00000000000000000000000000000000"


cdef bint is_data(const Spot* record, Span* traceparent) noexcept:
    """Whether the value is the data, and not an event around it, as far as its headers can be seen;
    of two with the same name the last counts."""
    cdef Text text
    cdef Span name, value, trace, ce_trace
    cdef int64_t number
    if record.is_lent:  # Its headers are not where its value is.
        return False
    trace.size = ce_trace.size = -1
    text = headers_begin(record)
    for number in range(read_varint(&text)):
        read_span(&text, &name)
        read_span(&text, &value)
        if is_called(&name, b"content-type", 12) and not is_json(&value):
            return False  # It may be structured.
        if is_called(&name, b"traceparent", 11):
            trace = valid_trace(value)
        elif is_called(&name, b"ce_traceparent", 14):
            ce_trace = valid_trace(value)
    traceparent[0] = trace if trace.size >= 0 else ce_trace
    return True


cdef int read_span(Text* text, Span* span) noexcept:
    span.size = <int32_t>read_varint(text)
    span.begin = <const char*>text.at
    text.at += max(span.size, 0)
    return 0


cdef bint is_called(const Span* name, const char* wanted, int32_t size) noexcept:
    """Whatever the case of its letters."""
    cdef int32_t at
    if name.size != size:
        return False
    for at in range(size):
        if name.begin[at] != wanted[at] and not (
            97 <= wanted[at] <= 122 and name.begin[at] == wanted[at] - 32
        ):
            return False
    return True


cdef bint is_json(const Span* value) noexcept:
    """As nearly everybody writes it."""
    return value.size == 16 and memcmp(value.begin, b"application/json", 16) == 0


cdef Span valid_trace(Span value) noexcept:
    """A traceparent of W3C's version 00 to fe, with ids that are not zero; else absent."""
    cdef int32_t at
    cdef char byte
    cdef bint is_right = value.size == 55
    for at in range(55 if is_right else 0):
        byte = value.begin[at]
        if at in (2, 35, 52):
            is_right = is_right and byte == b"-"
        else:
            is_right = is_right and (48 <= byte <= 57 or 97 <= byte <= 102)
    if (
        not is_right
        or memcmp(value.begin, b"ff", 2) == 0
        or memcmp(value.begin + 3, ZEROS, 32) == 0
        or memcmp(value.begin + 36, ZEROS, 16) == 0
    ):
        value.size = -1
    return value
