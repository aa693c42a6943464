# cython: language_level=3
"""JSON as it is written: a block of memory that grows, and what puts fields into its room.

Each `put` gives where the next begins, and looks at no bounds: who writes asks for room before.
A field ends with a comma, which the end of its object takes back.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, strlen

from streams.core.compiled.memory cimport moved

cdef enum:
    NUMBER_SIZE = 20  # Of 64 bits, with its sign.

cdef struct Text:
    char* begin
    Py_ssize_t size, room


cdef inline char* room_for(Text* text, Py_ssize_t more) except NULL:
    """Where to write the next, with room for so many bytes."""
    cdef Py_ssize_t room = 2 * text.room + more
    if text.size + more > text.room:
        text.begin, text.room = <char*>moved(text.begin, room), room
    return text.begin + text.size


cdef inline int written(Text* text, char* to) noexcept:
    """Up to there."""
    text.size = to - text.begin
    return 0


cdef inline char* put(char* to, const char* literal) noexcept:
    memcpy(to, literal, strlen(literal))  # The compiler knows the lengths of literals.
    return to + strlen(literal)


cdef inline char* put_bytes(char* to, bytes more) noexcept:
    memcpy(to, PyBytes_AS_STRING(more), PyBytes_GET_SIZE(more))
    return to + PyBytes_GET_SIZE(more)


cdef inline char* put_number(char* to, int64_t number) noexcept:
    cdef char[NUMBER_SIZE] digits
    cdef int at = NUMBER_SIZE
    cdef uint64_t rest = <uint64_t>number
    if number < 0:
        rest = 0 - rest
        to[0] = 45
        to += 1
    while True:
        at -= 1
        digits[at] = <char>(48 + rest % 10)
        rest //= 10
        if rest == 0:
            break
    memcpy(to, digits + at, NUMBER_SIZE - at)
    return to + NUMBER_SIZE - at


cdef inline char* put_field(char* to, const char* name, int64_t number) noexcept:
    """A count that is 0 is left out."""
    if number == 0:
        return to
    return put(put_number(put(to, name), number), b",")


cdef inline char* put_end(char* to, const char* bracket) noexcept:
    """Of an object or a list, in the place of the comma of the last that is in it."""
    if to[-1] == 44:
        to -= 1
    return put(to, bracket)


cdef inline int put_text(Text* text, bytes more) except -1:
    return written(text, put(put_bytes(room_for(text, PyBytes_GET_SIZE(more) + 1), more), b","))


cdef inline int end(Text* text, const char* bracket) except -1:
    return written(text, put(put_end(room_for(text, 2), bracket), b","))
