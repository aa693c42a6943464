# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A flat JSON object, field by field, where it lies.

Only what every reader reads the same is taken: texts of ASCII without escapes, whole numbers, true,
false and null.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef enum:
    DIGITS_MAX = 18  # More may be more than 64 bits hold.


cdef inline void skip_space(Text* text) noexcept:
    while text.at < text.end and text.at[0] in (9, 10, 13, 32):
        text.at += 1


cdef inline bint take(Text* text, char wanted) noexcept:
    """Whether this comes next, after space; it is passed then."""
    skip_space(text)
    if text.at >= text.end or text.at[0] != wanted:
        return False
    text.at += 1
    return True


cdef int begins(Text* text, const char* value, int32_t size) noexcept:
    """1 if a field comes next, 0 at the end of an object, -1 where it is not flat."""
    text.at, text.end = value, value + max(size, 0)
    if not take(text, b"{"):
        return -1
    return ends(text) if take(text, b"}") else 1


cdef int goes_on(Text* text) noexcept:
    """The same, after a field."""
    if take(text, b","):
        return 1
    return ends(text) if take(text, b"}") else -1


cdef int ends(Text* text) noexcept:
    skip_space(text)
    return 0 if text.at == text.end else -1


cdef bint read_field(Text* text, Field* field) noexcept:
    if not read_text(text, &field.name) or not take(text, b":"):
        return False
    skip_space(text)
    if text.at >= text.end:
        return False
    if text.at[0] == b'"':
        field.sort = TEXT
        return read_text(text, &field.text)
    if text.at[0] == b"n":
        field.sort = NULL_VALUE
        return take_word(text, b"null", 4)
    if text.at[0] == b"t":
        field.sort = TRUTH
        return take_word(text, b"true", 4)
    if text.at[0] == b"f":
        field.sort = TRUTH
        return take_word(text, b"false", 5)
    field.sort = NUMBER
    return read_number(text, &field.number)


cdef bint take_word(Text* text, const char* word, int size) noexcept:
    if text.end - text.at < size or memcmp(text.at, word, size) != 0:
        return False
    text.at += size
    return True


cdef bint read_text(Text* text, Span* span) noexcept:
    """A text of ASCII without escapes and controls."""
    cdef const char* at
    cdef uint64_t word, special
    cdef uint8_t byte
    if not take(text, b'"'):
        return False
    at = span.begin = text.at
    while text.end - at >= 8:
        memcpy(&word, at, 8)
        # The high bit of a byte is set where it is beyond ASCII, a control, a quote or a backslash;
        # after the first such byte it may be set wrongly, so the rest is looked at byte by byte.
        special = (
            word
            | (word - <uint64_t>0x2020202020202020)
            | ((word ^ <uint64_t>0x2222222222222222) - <uint64_t>0x0101010101010101)
            | ((word ^ <uint64_t>0x5C5C5C5C5C5C5C5C) - <uint64_t>0x0101010101010101)
        ) & <uint64_t>0x8080808080808080
        if special:
            break
        at += 8
    while at < text.end and at[0] != b'"':
        byte = <uint8_t>at[0]
        if byte < 32 or byte > 127 or byte == 92:
            return False
        at += 1
    if at >= text.end:
        return False
    span.size = <int32_t>(at - span.begin)
    text.at = at + 1
    return True


cdef bint read_number(Text* text, int64_t* number) noexcept:
    """A whole number of so many digits, without a leading zero, an exponent or a fraction."""
    cdef bint is_negative = text.at[0] == b"-"
    cdef const char* first
    cdef int64_t found = 0
    text.at += is_negative
    first = text.at
    while text.at < text.end and 48 <= text.at[0] <= 57:
        if text.at - first >= DIGITS_MAX:
            return False
        found = found * 10 + (text.at[0] - 48)
        text.at += 1
    if text.at == first or (first[0] == 48 and (is_negative or text.at - first > 1)):
        return False
    if text.at < text.end and text.at[0] in (46, 69, 101):  # Such as 1.0, 1E3 or 1e3.
        return False
    number[0] = -found if is_negative else found
    return True
