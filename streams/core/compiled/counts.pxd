# cython: language_level=3
"""What is counted of the orders of one face in one second: they are opened, and answered in time."""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

from streams.core.compiled.structs cimport count_up

cdef extern from "words.h":
    int bit_length(uint64_t word)

cdef enum:
    OUTCOMES = 3
    BUCKETS = 256  # Of delays; there are not that many.
    BUCKETS_MAX = 8  # That are counted here; with more different delays there is room for all.

cdef struct Counts:
    int64_t submitted, open_minor
    int64_t[OUTCOMES] outcomes
    PyObject* codes  # A dict that belongs to it; NULL while there are none.
    int64_t* all_times  # By bucket, of those that have no place here; or NULL.
    uint8_t[BUCKETS_MAX] buckets  # One more than each bucket, 0 where none has the place.
    int64_t[BUCKETS_MAX] times

cdef struct Sum:  # Of several.
    int64_t submitted
    int64_t[OUTCOMES] outcomes
    bint has_codes
    uint64_t[4] buckets  # A bit for each that has times.
    int64_t[BUCKETS] times  # Of the others they say nothing.


cdef inline bint are_empty(Counts* counts) noexcept:
    return not (
        counts.submitted or counts.outcomes[0] or counts.outcomes[1] or counts.outcomes[2]
    )


cdef inline void clear(Counts* counts) noexcept:
    Py_XDECREF(counts.codes)
    PyMem_Free(counts.all_times)
    memset(counts, 0, sizeof(Counts))


cdef inline int count_delay(Counts* counts, int64_t delay_ms) except -1:
    cdef int bucket = bucket_of(delay_ms), place
    for place in range(BUCKETS_MAX):
        if counts.buckets[place] == bucket + 1:
            counts.times[place] += 1
            return 0
        if counts.buckets[place] == 0:
            counts.buckets[place], counts.times[place] = <uint8_t>(bucket + 1), 1
            return 0
    if counts.all_times == NULL:
        counts.all_times = <int64_t*>PyMem_Calloc(BUCKETS, sizeof(int64_t))
        if counts.all_times == NULL:
            raise MemoryError
    counts.all_times[bucket] += 1
    return 0


cdef inline int bucket_of(int64_t delay_ms) noexcept:
    """As delay_bucket of schemas.stats."""
    cdef int octave
    if delay_ms < 8:
        return <int>delay_ms if delay_ms > 0 else 0
    octave = bit_length(<uint64_t>delay_ms) - 3
    return octave * 4 + <int>(delay_ms >> octave)


cdef inline int count_code(Counts* counts, code) except -1:
    if counts.codes == NULL:
        codes = {}
        Py_INCREF(codes)
        counts.codes = <PyObject*>codes
    return count_up(<dict>counts.codes, code, 1)


cdef inline void begin(Sum* sum) noexcept:
    memset(sum, 0, sizeof(Sum) - sizeof(sum.times))


cdef inline void add(Sum* sum, Counts* counts) noexcept:
    cdef int place
    sum.submitted += counts.submitted
    sum.has_codes |= counts.codes != NULL
    for place in range(OUTCOMES):
        sum.outcomes[place] += counts.outcomes[place]
    for place in range(BUCKETS_MAX):
        if counts.buckets[place]:
            add_times(sum, counts.buckets[place] - 1, counts.times[place])
    for place in range(BUCKETS if counts.all_times != NULL else 0):
        add_times(sum, place, counts.all_times[place])


cdef inline void add_times(Sum* sum, int bucket, int64_t times) noexcept:
    cdef uint64_t bit = <uint64_t>1 << (bucket & 63)
    if sum.buckets[bucket >> 6] & bit:
        sum.times[bucket] += times
    elif times:
        sum.buckets[bucket >> 6] |= bit
        sum.times[bucket] = times


cdef inline int64_t change_of(Sum* sum) noexcept:
    """By how much the open orders have changed."""
    return sum.submitted - sum.outcomes[0] - sum.outcomes[1] - sum.outcomes[2]
