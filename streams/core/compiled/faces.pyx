# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Whose orders are counted together: a face for each scope and currency, kept over seconds.

An order's card finds its face by the bytes of its kind, provider, merchant and currency, without
an object of Python being made. What else a card says (rule, player, traceparent) is no part of it.
Faces stand in order, so that the rows of a second need no sorting of texts.
"""

from functools import lru_cache

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memmove

from schemas.stats import Money, StatsRow, encode_money, encode_row
from streams.core.compiled.counts cimport clear
from streams.core.compiled.memory cimport moved
from streams.core.gauges import by_scope

cdef extern from "words.h":
    uint64_t mixed(uint64_t one, uint64_t other)
    uint64_t short_word(const char* text, size_t size)
    uint64_t text_hash(const char* text, size_t size, uint64_t before, uint64_t secret)

cdef enum:
    TEXTS = 7  # Rule, kind, provider, merchant, player, currency, traceparent.
    ABSENT = 255
    SLOTS_MIN = 64

# Another one in each process, as the hashes of Python are; no result hangs on it.
cdef uint64_t SECRET = <uint64_t>(hash("faces") & (2**63 - 1)) ^ 0x9E3779B97F4A7C15


@cython.final
@cython.no_gc
cdef class Face:
    """One scope and currency, and what is counted in it in the second that is counted in."""

    def __dealloc__(self) -> None:
        clear(&self.counts)


@cython.final
cdef class Faces:
    """All faces of a tally."""

    def __cinit__(self) -> None:
        self.faces, self.is_ranked = [], True

    def __dealloc__(self) -> None:
        PyMem_Free(self.slots)
        PyMem_Free(self.order)
        PyMem_Free(self.ranks)

    cdef PyObject* find(self, const char* card, Py_ssize_t size) except NULL:
        """The face of orders with this card; ValueError where it is none."""
        cdef Card read
        cdef uint64_t hash, slot
        read_card(card, size, &read)
        hash = mixed(read.lengths ^ SECRET, short_word(read.currency, read.currency_size) ^ SECRET)
        hash = text_hash(read.names, read.names_size, hash, SECRET)
        slot = hash & self.mask
        while self.slots != NULL and self.slots[slot].face != NULL:
            if self.slots[slot].hash == hash and has_texts(self.slots[slot].face, &read):
                return self.slots[slot].face
            slot = (slot + 1) & self.mask
        return self.add(&read, hash)

    cdef int rank(self) except -1:
        """Let `ranks` say of each face where it stands."""
        cdef Py_ssize_t place
        if not self.is_ranked:
            for place in range(len(self.faces)):
                self.ranks[self.order[place]] = <uint32_t>place
            self.is_ranked = True
        return 0

    cdef int clear(self) except -1:
        """Let all go; nobody may be counting in them."""
        PyMem_Free(self.slots)
        self.slots, self.mask = NULL, 0
        self.faces, self.is_ranked = [], True
        return 0

    cdef PyObject* add(self, Card* card, uint64_t hash) except NULL:
        cdef Face face = face_of(card)
        cdef uint64_t slot
        self.make_room()
        face.number = len(self.faces)
        self.insert(face)
        self.faces.append(face)
        slot = hash & self.mask
        while self.slots[slot].face != NULL:
            slot = (slot + 1) & self.mask
        self.slots[slot].hash, self.slots[slot].face = hash, <PyObject*>face
        return <PyObject*>face

    cdef int insert(self, Face face) except -1:
        """Give it its place in the order, beside the others of its scope."""
        cdef Py_ssize_t low = 0, high = face.number, middle
        cdef Face other
        cdef int found
        while low < high:
            middle = (low + high) >> 1
            other = <Face>self.faces[self.order[middle]]
            found = compare(other.key, face.key)
            if found == 0:
                face.scope, face.key, face.begun = other.scope, other.key, other.begun
                found = compare(other.currency_key, face.currency_key)
            if found < 0:
                low = middle + 1
            else:
                high = middle
        memmove(self.order + low + 1, self.order + low, (face.number - low) * sizeof(uint32_t))
        self.order[low] = <uint32_t>face.number
        self.is_ranked = False
        return 0

    cdef int make_room(self) except -1:
        """For one more."""
        cdef Py_ssize_t number = len(self.faces), room = max(2 * number, <Py_ssize_t>SLOTS_MIN)
        if number >= self.room:
            self.order = <uint32_t*>moved(self.order, room * sizeof(uint32_t))
            self.ranks = <uint32_t*>moved(self.ranks, room * sizeof(uint32_t))
            self.room = room
        if self.slots == NULL or 2 * <uint64_t>number > self.mask:  # Half of them stay free.
            self.spread(self.mask + 1 if self.slots == NULL else 2 * (self.mask + 1))
        return 0

    cdef int spread(self, uint64_t slots) except -1:
        """Over so many slots, a power of two."""
        cdef uint64_t old, slot, mask
        cdef Slot* wider
        slots = max(slots, <uint64_t>SLOTS_MIN)
        mask, wider = slots - 1, <Slot*>PyMem_Calloc(slots, sizeof(Slot))
        if wider == NULL:
            raise MemoryError
        for old in range(self.mask + 1 if self.slots != NULL else 0):
            if self.slots[old].face != NULL:
                slot = self.slots[old].hash & mask
                while wider[slot].face != NULL:
                    slot = (slot + 1) & mask
                wider[slot] = self.slots[old]
        PyMem_Free(self.slots)
        self.slots, self.mask = wider, mask
        return 0


cdef int read_card(const char* card, Py_ssize_t size, Card* found) except -1:
    cdef Py_ssize_t[TEXTS] sizes
    cdef Py_ssize_t total = TEXTS
    cdef int number
    if size < TEXTS:
        raise ValueError("the card of an order is cut")
    for number in range(TEXTS):
        sizes[number] = 0 if <uint8_t>card[number] == ABSENT else <uint8_t>card[number]
        total += sizes[number]
    if total != size:  # Lengths are code points, and not each of these is one byte.
        measure(card, size, sizes)
    found.names = card + TEXTS + sizes[0]
    found.names_size = <uint32_t>(sizes[1] + sizes[2] + sizes[3])
    found.currency = found.names + found.names_size + sizes[4]
    found.currency_size = <uint32_t>sizes[5]
    found.lengths = (
        <uint8_t>card[1]
        | <uint32_t><uint8_t>card[2] << 8
        | <uint32_t><uint8_t>card[3] << 16
        | <uint32_t><uint8_t>card[5] << 24
    )
    return 0


cdef int measure(const char* card, Py_ssize_t size, Py_ssize_t* sizes) except -1:
    """Make code points bytes."""
    cdef Py_ssize_t at = TEXTS, begin, point
    cdef int number
    for number in range(TEXTS):
        begin = at
        for point in range(sizes[number]):
            at += 1
            while at < size and <uint8_t>card[at] & 0xC0 == 0x80:
                at += 1
        sizes[number] = at - begin
    if at != size:
        raise ValueError("the card of an order is cut")
    return 0


cdef inline bint has_texts(PyObject* known, Card* card) noexcept:
    cdef uint32_t size = card.names_size + card.currency_size
    cdef const char* texts = (<Face>known).short_texts
    if size > SHORT_MAX:
        texts = PyBytes_AS_STRING((<Face>known).texts)
    return (
        (<Face>known).lengths == card.lengths
        and (<Face>known).names_size == card.names_size
        and (<Face>known).currency_size == card.currency_size
        and memcmp(texts, card.names, card.names_size) == 0
        and memcmp(texts + card.names_size, card.currency, card.currency_size) == 0
    )


cdef Face face_of(Card* card):
    cdef Face face = Face.__new__(Face)
    cdef str names = PyUnicode_DecodeUTF8(card.names, card.names_size, "strict")
    cdef Py_ssize_t kind = length_of(card, 0), provider = length_of(card, 1)
    face.scope = (
        None if is_absent(card, 1) else names[kind : kind + provider],
        None if is_absent(card, 2) else names[kind + provider :],
        None if is_absent(card, 0) else names[:kind],
    )
    face.key = by_scope(face.scope).encode()
    face.begun = beginning(encode_row(StatsRow(*face.scope)))
    face.currency_key = PyBytes_FromStringAndSize(card.currency, card.currency_size)
    if not is_absent(card, 3):
        face.currency = face.currency_key.decode()
        face.money_begun = money_beginning(face.currency)
    put_texts(face, card)
    return face


cdef int put_texts(Face face, Card* card) except -1:
    cdef bytes names = PyBytes_FromStringAndSize(card.names, card.names_size)
    face.lengths, face.names_size, face.currency_size = (
        card.lengths, card.names_size, card.currency_size
    )
    face.texts = names + face.currency_key
    if PyBytes_GET_SIZE(face.texts) <= SHORT_MAX:
        memcpy(face.short_texts, PyBytes_AS_STRING(face.texts), PyBytes_GET_SIZE(face.texts))
        face.texts = None
    return 0


cdef inline bint is_absent(Card* card, int number) noexcept:
    return card.lengths >> 8 * number & 0xFF == ABSENT


cdef inline Py_ssize_t length_of(Card* card, int number) noexcept:
    return 0 if is_absent(card, number) else card.lengths >> 8 * number & 0xFF


@lru_cache(maxsize=256)
def money_beginning(currency: str) -> bytes:
    """One object for all faces, so that it is near when they are told."""
    return beginning(encode_money(Money(currency)))


cdef bytes beginning(bytes written):
    """Of an object in JSON, for more fields to follow."""
    return written[: len(written) - 1] + b"," if len(written) > 2 else b"{"
