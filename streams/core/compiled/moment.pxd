# cython: language_level=3
"""RFC 3339 times, where they lie."""

from libc.stdint cimport int64_t

from streams.core.compiled.flat cimport Span

cdef bint read_moment(const Span* text, int64_t* at_ms) noexcept
