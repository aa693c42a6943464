# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Keys and values in one piece of memory: what a checkpoint has to keep, with no object for each.

Looks like a list of pairs that only grows. Knows how records stand in Kafka's record batches,
format 2 (KIP-98): an order that changed is written into one without an object of Python being made.
"""

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from streams.core.compiled.memory cimport moved

cdef extern from "crc32c.h":
    bint crc32c_is_there() noexcept
    unsigned int crc32c(const char* text, size_t size) noexcept

cdef enum:
    SIZE_MAX = 1 << 30
    RECORDS_AT = 61  # In a batch.
    PLAIN_BYTES = 3  # Of a record: its attributes, its time's difference, and that it has no headers.


@cython.final
cdef class Pairs:
    """A value may be None, a key may not."""

    def __dealloc__(self) -> None:
        PyMem_Free(self.begin)

    def __len__(self) -> int:
        return self.count

    def __iter__(self):
        return iter(self.listed())

    def __getitem__(self, place):
        return self.listed()[place]

    def __eq__(self, other) -> bool:
        return self.listed() == other

    def extend(self, pairs) -> None:
        """More of them."""
        for pair in pairs:
            self.append(pair)

    def append(self, tuple pair) -> None:
        """One more."""
        cdef bytes key, value
        key, value = pair
        assert key is not None, "a pair has a key"
        if value is None:
            self.add(b"", PyBytes_AS_STRING(key), len(key), NULL, -1)
        else:
            self.add(b"", PyBytes_AS_STRING(key), len(key), PyBytes_AS_STRING(value), len(value))

    @property
    def value_bytes_max(self) -> int:
        """Of the largest value."""
        return self.value_max

    def listed(self) -> list:
        """All of them, as tuples."""
        cdef Py_ssize_t at = 0
        cdef Sizes sizes
        found = []
        while at < self.size:
            memcpy(&sizes, self.begin + at, sizeof(Sizes))
            at += sizeof(Sizes)
            key = PyBytes_FromStringAndSize(self.begin + at, sizes.key)
            at += sizes.key
            value = None
            if sizes.value >= 0:
                value = PyBytes_FromStringAndSize(self.begin + at, sizes.value)
                at += sizes.value
            found.append((key, value))
        return found

    def batches(self, Py_ssize_t bytes_max):
        """Record batches of at most so many bytes, or of one record, in order: each as a bytearray,
        with room for the batch's header in front, and how many records are in it."""
        cdef Py_ssize_t at = 0
        while at < self.size:
            batch, count, at = self.batch(at, bytes_max)
            yield batch, count

    cdef tuple batch(self, Py_ssize_t begin, Py_ssize_t bytes_max):
        cdef Py_ssize_t at = begin, size = RECORDS_AT, number, count = 0
        cdef Sizes sizes
        cdef char* to
        while at < self.size:
            memcpy(&sizes, self.begin + at, sizeof(Sizes))
            size += whole_size(inner_size(&sizes, count))
            if size > bytes_max and count:
                size -= whole_size(inner_size(&sizes, count))
                break
            at += stored_size(&sizes)
            count += 1
        made = PyByteArray_FromStringAndSize(NULL, size)
        to = PyByteArray_AS_STRING(made)
        memset(to, 0, RECORDS_AT)
        to += RECORDS_AT
        at = begin
        for number in range(count):
            memcpy(&sizes, self.begin + at, sizeof(Sizes))
            to = put_record(to, &sizes, self.begin + at + sizeof(Sizes), number)
            at += stored_size(&sizes)
        assert to == PyByteArray_AS_STRING(made) + size, "a record is as long as it was counted"
        return made, count, at

    cdef int add(
        self, bytes prefix, const char* key, Py_ssize_t key_size, const char* value,
        Py_ssize_t value_size
    ) except -1:
        """One more, its key after the prefix."""
        cdef Py_ssize_t before = PyBytes_GET_SIZE(prefix)
        cdef Py_ssize_t more = sizeof(Sizes) + before + key_size + max(value_size, 0)
        cdef Sizes sizes
        cdef char* to
        if more > SIZE_MAX:
            raise ValueError(f"a pair of {more} bytes is larger than any record")
        if self.size + more > self.room:
            self.begin = <char*>moved(self.begin, 2 * self.room + more)
            self.room = 2 * self.room + more
        sizes.key, sizes.value = <int32_t>(before + key_size), <int32_t>value_size
        to = self.begin + self.size
        memcpy(to, &sizes, sizeof(Sizes))
        memcpy(to + sizeof(Sizes), PyBytes_AS_STRING(prefix), before)
        memcpy(to + sizeof(Sizes) + before, key, key_size)
        if value_size > 0:
            memcpy(to + sizeof(Sizes) + sizes.key, value, value_size)
        self.size += more
        self.count += 1
        self.value_max = max(self.value_max, value_size)
        return 0

    cdef Pairs with_prefix(self, bytes prefix):
        """The same, each key after the prefix."""
        cdef Pairs pairs = Pairs()
        cdef Py_ssize_t at = 0
        cdef Sizes sizes
        cdef char* text
        while at < self.size:
            memcpy(&sizes, self.begin + at, sizeof(Sizes))
            text = self.begin + at + sizeof(Sizes)
            pairs.add(prefix, text, sizes.key, text + sizes.key, sizes.value)
            at += stored_size(&sizes)
        return pairs

    cdef int forget(self) noexcept:
        """All of them."""
        PyMem_Free(self.begin)
        self.begin = NULL
        self.size = self.room = self.count = self.value_max = 0
        return 0


def checksum(const unsigned char[::1] data) -> int | None:
    """CRC-32C; None where the processor has no instruction for it."""
    if not crc32c_is_there():
        return None
    return crc32c(<const char*>&data[0], data.shape[0]) if data.shape[0] else 0


cdef inline Py_ssize_t stored_size(const Sizes* sizes) noexcept:
    return sizeof(Sizes) + sizes.key + max(sizes.value, 0)


cdef inline Py_ssize_t inner_size(const Sizes* sizes, Py_ssize_t number) noexcept:
    """Of a record, without its length: the number is its place in the batch."""
    return (
        PLAIN_BYTES + varint_size(number)
        + varint_size(sizes.key) + sizes.key
        + varint_size(sizes.value) + max(sizes.value, 0)
    )


cdef inline Py_ssize_t whole_size(Py_ssize_t inner) noexcept:
    return varint_size(inner) + inner


cdef inline Py_ssize_t varint_size(int64_t number) noexcept:
    cdef uint64_t rest = zigzag(number)
    cdef Py_ssize_t size = 1
    while rest >= 0x80:
        rest >>= 7
        size += 1
    return size


cdef inline uint64_t zigzag(int64_t number) noexcept:
    """So that small numbers are short, whatever their sign."""
    return (<uint64_t>number << 1) ^ <uint64_t>(number >> 63)


cdef inline char* put_varint(char* to, int64_t number) noexcept:
    cdef uint64_t rest = zigzag(number)
    while rest >= 0x80:
        to[0] = <char>(rest & 0x7F | 0x80)
        rest >>= 7
        to += 1
    to[0] = <char>rest
    return to + 1


cdef inline char* put_record(
    char* to, const Sizes* sizes, const char* text, Py_ssize_t number
) noexcept:
    to = put_varint(to, inner_size(sizes, number))
    to[0] = to[1] = 0
    to = put_varint(to + 2, number)
    to = put_varint(to, sizes.key)
    memcpy(to, text, sizes.key)
    to = put_varint(to + sizes.key, sizes.value)
    if sizes.value > 0:
        memcpy(to, text + sizes.key, sizes.value)
        to += sizes.value
    to[0] = 0
    return to + 1
