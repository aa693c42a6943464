# cython: language_level=3
"""What the headers of a record say."""

from streams.core.compiled.blocks cimport Spot
from streams.core.compiled.flat cimport Span

cdef bint is_data(const Spot* record, Span* traceparent) noexcept
