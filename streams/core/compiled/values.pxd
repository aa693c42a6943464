# cython: language_level=3
"""Values of plain records, read where they lie."""

from libc.stdint cimport int64_t

from streams.core.compiled.blocks cimport Spot
from streams.core.compiled.flat cimport Span

cdef enum:  # The texts of a record; the first six as they are packed.
    KIND
    PROVIDER
    MERCHANT
    PLAYER
    CURRENCY
    TRACEPARENT
    CODE
    MESSAGE
    TEXTS

cdef struct Plain:
    Span[TEXTS] texts
    int64_t at_ms
    int64_t within_ms  # 0: absent.
    int64_t amount
    int attempt  # 0: absent.
    int outcome  # Its number in OUTCOMES.

cdef bint read_plain(const Spot* record, Plain* plain) noexcept
cdef object text_of(Span span)
