# cython: language_level=3
"""A flat JSON object, field by field, where it lies."""

from libc.stdint cimport int32_t, int64_t

cdef enum Sort:
    NULL_VALUE
    TEXT
    NUMBER
    TRUTH

cdef struct Span:
    const char* begin
    int32_t size  # -1: absent.

cdef struct Text:
    const char* at
    const char* end

cdef struct Field:
    Span name
    Sort sort
    Span text
    int64_t number

cdef int begins(Text* text, const char* value, int32_t size) noexcept
cdef int goes_on(Text* text) noexcept
cdef bint read_field(Text* text, Field* field) noexcept
