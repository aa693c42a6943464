# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Records of a topic partition where they lie, in the bytes that were fetched.

A block looks like a sequence of `Record`; one of these is made only where somebody asks for it.
Knows Kafka's record batches, format 2 (KIP-98), and nothing of what is in a value.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from schemas.records import Record

cdef extern from "crc32c.h":
    bint crc32c_is_there() noexcept
    uint32_t crc32c(const char* text, size_t size) noexcept

cdef enum:
    LENGTH_AT = 8
    AFTER_LENGTH = 12
    MAGIC_AT = 16
    CRC_AT = 17
    ATTRIBUTES_AT = 21
    FIRST_TIME_AT = 27
    MAX_TIME_AT = 35
    COUNT_AT = 57
    RECORDS_AT = 61
    FAR = 1 << 30  # Beyond any record.
    CODEC_MASK = 7
    APPEND_TIME = 8


class CutRecord(ValueError):
    """A record does not end where its batch does."""


cdef class Block:
    """Some records, in the order of their offsets."""

    def __cinit__(self) -> None:
        self.owners = []

    def __dealloc__(self) -> None:
        PyMem_Free(self.spots)

    @staticmethod
    def of(records) -> Block:
        """The block of records that somebody has."""
        cdef Block block = Block()
        block.add_records(list(records))
        return block

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self.record(number) for number in range(*place.indices(self.count))]
        number = place + self.count if place < 0 else place
        if not 0 <= number < self.count:
            raise IndexError(place)
        return self.record(number)

    def add_records(self, list records) -> None:
        """Put these behind what there is."""
        cdef Spot* spot
        if self.origins is None:
            self.origins = [None] * self.count
        self.grow(len(records))
        for record in records:
            spot = &self.spots[self.count]
            spot.offset, spot.timestamp_ms = record.offset, record.timestamp_ms
            point_to(record.key, &spot.key, &spot.key_size)
            point_to(record.value, &spot.value, &spot.value_size)
            spot.has_headers, spot.is_lent = len(record.headers) > 0, True
            self.count += 1
        self.origins += records  # Which keeps keys and values where they are.

    def add_batch(self, bytes fetched, Py_ssize_t at, int64_t from_offset, decompress) -> int:
        """Put the records of the batch that begins there, in format 2 and whole, behind what there
        is, but for those before `from_offset`; gives where the batch ends. CutRecord if it is
        damaged, UnicodeDecodeError for the name of a header; nothing is added then."""
        cdef const char* batch = PyBytes_AS_STRING(fetched) + at
        cdef Py_ssize_t size = AFTER_LENGTH + number_at(batch + LENGTH_AT, 4)
        cdef int attributes = <int>number_at(batch + ATTRIBUTES_AT, 2)
        cdef Py_ssize_t before = self.count
        cdef bytes records = fetched
        cdef Text text
        if attributes & CODEC_MASK and number_at(batch + COUNT_AT, 4):  # Of an empty one not all can.
            records = decompress(attributes & CODEC_MASK, fetched[at + RECORDS_AT : at + size])
            text.at = <const uint8_t*>PyBytes_AS_STRING(records)
            text.end = text.at + len(records)
        else:
            text.at = <const uint8_t*>batch + RECORDS_AT
            text.end = <const uint8_t*>batch + size
        text.is_cut = False
        if records is not self.owner:
            self.owner = records
            self.owners.append(records)
        try:
            self.walk(batch, attributes, &text, from_offset)
        except BaseException:
            self.count = before
            raise
        return at + size

    cdef int walk(
        self, const char* batch, int attributes, Text* text, int64_t from_offset
    ) except -1:
        cdef int64_t base_offset = number_at(batch, 8)
        cdef int64_t first_ms = number_at(batch + FIRST_TIME_AT, 8)
        cdef int64_t append_ms = number_at(batch + MAX_TIME_AT, 8)
        cdef Py_ssize_t records = number_at(batch + COUNT_AT, 4), number
        cdef Spot* spot
        if records > text.end - text.at:  # So that what is damaged does not fill the memory.
            raise CutRecord
        self.grow(records)
        for number in range(records):
            spot = &self.spots[self.count]
            read_spot(text, spot)
            spot.offset += base_offset
            spot.timestamp_ms = append_ms if attributes & APPEND_TIME else spot.timestamp_ms + first_ms
            if text.is_cut:
                raise CutRecord
            if spot.has_headers:
                headers_of(spot)
            if spot.offset >= from_offset:
                self.count += 1
        if self.origins is not None:
            self.origins += [None] * (self.count - len(self.origins))
        return 0

    cdef object record(self, Py_ssize_t number):
        cdef Spot* spot = &self.spots[number]
        if self.origins is not None and self.origins[number] is not None:
            return self.origins[number]
        key = PyBytes_FromStringAndSize(spot.key, spot.key_size) if spot.key_size >= 0 else None
        value = (
            PyBytes_FromStringAndSize(spot.value, spot.value_size) if spot.value_size >= 0 else None
        )
        headers = headers_of(spot) if spot.has_headers else []
        return Record(spot.offset, spot.timestamp_ms, key, value, headers)

    cdef int grow(self, Py_ssize_t more) except -1:
        cdef Spot* moved
        cdef Py_ssize_t room = self.count + more
        if room <= self.room:
            return 0
        room = max(room, 2 * self.room)
        moved = <Spot*>PyMem_Realloc(self.spots, room * sizeof(Spot))
        if moved == NULL:
            raise MemoryError
        self.spots, self.room = moved, room
        return 0


def is_whole(bytes fetched, Py_ssize_t at) -> bool | None:
    """Whether the batch that begins there, in format 2, has the bytes that it was written with;
    None where this processor has no instruction for it."""
    cdef const char* batch = PyBytes_AS_STRING(fetched) + at
    cdef Py_ssize_t size = AFTER_LENGTH + number_at(batch + LENGTH_AT, 4) - ATTRIBUTES_AT
    if not crc32c_is_there() or batch[MAGIC_AT] != 2:
        return None
    return <uint32_t>number_at(batch + CRC_AT, 4) == crc32c(batch + ATTRIBUTES_AT, size)


cdef int point_to(bytes text, const char** at, int32_t* size) except -1:
    at[0], size[0] = NULL, -1
    if text is not None:
        at[0], size[0] = PyBytes_AS_STRING(text), <int32_t>len(text)
    return 0


def batch_size(bytes fetched, Py_ssize_t at) -> int:
    """How many bytes the batch takes that begins there."""
    return AFTER_LENGTH + number_at(PyBytes_AS_STRING(fetched) + at + LENGTH_AT, 4)


cdef int read_spot(Text* text, Spot* spot) noexcept:
    """The next record; offset and time are still differences. It is walked past, whatever it says
    of its length, so that what follows the value is where its headers are looked for."""
    read_varint(text)  # Its length.
    skip(text, 1)  # Its attributes, which mean nothing.
    spot.timestamp_ms = read_varint(text)
    spot.offset = read_varint(text)
    spot.key_size = <int32_t>max(read_varint(text), -1)
    spot.key = <const char*>text.at
    skip(text, spot.key_size)
    spot.value_size = <int32_t>max(read_varint(text), -1)
    spot.value = <const char*>text.at
    skip(text, spot.value_size)
    spot.has_headers, spot.is_lent = skip_headers(text) > 0, False
    return 0


cdef int64_t skip_headers(Text* text) noexcept:
    """How many there are, each with a name."""
    cdef int64_t headers = read_varint(text), number, name_size
    text.is_cut = text.is_cut or headers < 0
    for number in range(headers):
        name_size = read_varint(text)
        skip(text, name_size)
        skip(text, read_varint(text))
        if text.is_cut or name_size < 0:
            text.is_cut = True
            break
    return headers


cdef list headers_of(const Spot* spot):
    """Names and values; of a record that is known to be whole."""
    cdef Text text = headers_begin(spot)
    cdef int64_t number, size
    headers = []
    for number in range(read_varint(&text)):
        size = read_varint(&text)
        name = PyBytes_FromStringAndSize(<const char*>text.at, size).decode()
        text.at += size
        size = read_varint(&text)
        value = PyBytes_FromStringAndSize(<const char*>text.at, size) if size >= 0 else None
        text.at += max(size, 0)
        headers.append((name, value))
    return headers


cdef Text headers_begin(const Spot* spot) noexcept:
    """Where the headers are of a record that is known to be whole, their number first."""
    cdef Text text
    text.at = <const uint8_t*>spot.value + max(spot.value_size, 0)
    text.end, text.is_cut = text.at + FAR, False
    return text


cdef inline int skip(Text* text, int64_t size) noexcept:
    if size > text.end - text.at:
        text.is_cut = True
    elif size > 0:
        text.at += size
    return 0


cdef int64_t read_varint(Text* text) noexcept:
    """A number in zigzag form, seven bits a byte."""
    cdef uint64_t found = 0
    cdef int shift = 0
    cdef uint8_t byte
    while text.at < text.end and shift < 70:
        byte = text.at[0]
        text.at += 1
        found |= <uint64_t>(byte & 127) << (shift if shift < 63 else 63)
        if byte < 128:
            return <int64_t>(found >> 1) ^ -<int64_t>(found & 1)
        shift += 7
    text.is_cut = True
    return 0


cdef inline int64_t number_at(const char* at, int size) noexcept:
    """Big-endian, with a sign."""
    cdef uint64_t found = <uint64_t><int64_t><signed char>at[0]
    cdef int number
    for number in range(1, size):
        found = (found << 8) | <uint8_t>at[number]
    return <int64_t>found
