# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The orders of a partition number, by key, and which of them changed since the last checkpoint.

A hash table with open addressing over rows that hold key and packed form in one piece. What is
looked through again later, changes and hints of deadlines, are names of orders: the slot of a row
and how many were in it before, so that the name of an order that is gone is nobody's.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free
from libc.string cimport memcmp

from collections.abc import Mapping

from streams.core.compiled.memory cimport moved
from streams.core.compiled.pairs cimport Pairs
from streams.core.compiled.shed cimport pages_give, pages_take

cdef extern from "words.h":
    void look_ahead(const void* place) noexcept
    uint64_t text_hash(const char* text, size_t size, uint64_t before, uint64_t secret) noexcept

cdef enum:
    PLACES_MIN = 64
    FULL_EIGHTHS = 5  # Of the index; with more it is spread over twice the places.
    CACHE_LINE = 64
    AHEAD = 8
    ROW_LINES = 3  # That a row with a key of 36 bytes and three short texts takes.
    PACKED_MIN = 11  # Up to the end of the timer's effect.

cdef uint32_t NO_SLOT = 0xFFFFFFFF
cdef Py_ssize_t KEY_MAX = 0xFFFF
# Another one in each process, as the hashes of Python are; no result hangs on it.
cdef uint64_t SECRET = <uint64_t>(hash("orders") & (2**63 - 1)) ^ 0x9E3779B97F4A7C15


@cython.final
@cython.no_gc
cdef class Orders:
    """As streams.core.kept has it."""

    def __cinit__(self) -> None:
        self.first_free = NO_SLOT
        self.gone = Pairs()
        self.rows = Shed()
        self.spread(PLACES_MIN)

    def __dealloc__(self) -> None:
        cdef uint32_t slot
        for slot in range(self.used):
            if self.slots[slot].row != NULL:
                self.rows.give(self.slots[slot].row, size_of(self.slots[slot].row))
        pages_give(self.slots, self.room * sizeof(Slot))
        pages_give(self.index, (self.mask + 1) * sizeof(uint64_t))
        PyMem_Free(self.changed.names)

    def __len__(self) -> int:
        return self.count

    def __contains__(self, bytes key) -> bool:
        return self.find(PyBytes_AS_STRING(key), len(key)) != NULL

    def get(self, bytes key, default=None):
        """Its packed form."""
        cdef Row* row = self.find(PyBytes_AS_STRING(key), len(key))
        return default if row == NULL else packed_of(row)

    def __getitem__(self, bytes key) -> bytes:
        cdef Row* row = self.find(PyBytes_AS_STRING(key), len(key))
        if row == NULL:
            raise KeyError(key)
        return packed_of(row)

    def __iter__(self):
        return iter(self.keys())

    def keys(self) -> list:
        """As they are now, whatever happens while somebody goes through them."""
        return [key for key, _ in self.items()]

    def values(self) -> list:
        """The same, of the packed forms."""
        return [packed for _, packed in self.items()]

    def items(self) -> list:
        """The same, of both."""
        cdef uint32_t slot
        found = []
        for slot in range(self.used):
            if self.slots[slot].row != NULL:
                found.append((key_of(self.slots[slot].row), packed_of(self.slots[slot].row)))
        return found

    def put(self, bytes key, bytes packed) -> None:
        """Keep an order in this form, whether it was kept or not."""
        cdef Row* row = self.keep(key, packed)
        self.note_change(row, self.found())

    def take_out(self, bytes key) -> bytes:
        """Forget an order; gives its packed form. KeyError if it is not kept."""
        packed = self[key]
        self.take_away()
        return packed

    def restore(self, orders) -> None:
        """Keep orders that the last checkpoint holds."""
        for key, packed in orders.items():
            self.keep(key, packed).flags |= KEPT

    def take_changes(self, bytes prefix not None=b"") -> Pairs:
        """As streams.core.kept has it; an order that is gone and there again stands twice, as it is
        now after that."""
        cdef Py_ssize_t number
        cdef Row* row
        cdef Pairs changes = self.gone.with_prefix(prefix)
        self.gone.forget()
        for number in range(self.changed.count):
            self.ask_changed(number)
            row = self.named(self.changed.names[number])
            if row != NULL and row.flags & CHANGED:
                row.flags = (row.flags & ~CHANGED) | KEPT
                changes.add(prefix, row.text, row.key_size, packed_at(row), row.packed_size)
        self.drop_changes()
        return changes

    def forget_changes(self) -> None:
        """Keep no account of what changed, for who writes no checkpoints."""
        cdef Py_ssize_t number
        cdef Row* row
        for number in range(self.changed.count):
            row = self.named(self.changed.names[number])
            if row != NULL:
                row.flags &= ~CHANGED
        self.gone.forget()
        self.drop_changes()

    def drop_changes(self) -> None:
        """The memory of many goes, too."""
        PyMem_Free(self.changed.names)
        self.changed.names, self.changed.count, self.changed.room = NULL, 0, 0

    def has_changes(self) -> bool:
        """Whether a checkpoint would keep anything."""
        return self.changed.count > 0 or self.gone.count > 0

    cdef uint32_t ask_index(self, const char* key, Py_ssize_t size) noexcept:
        """Have the order's place in the index fetched into the cache; gives the hash of its key, by
        which `ask_slot` may follow, and then `ask_row`."""
        cdef uint32_t hashed = hash_of(key, size)
        look_ahead(&self.index[hashed & self.mask])
        return hashed

    cdef int ask_changed(self, Py_ssize_t number) noexcept:
        """Have the slot of a change further on fetched into the cache, and a row less far on."""
        cdef int line
        if number + 2 * AHEAD < self.changed.count:
            look_ahead(&self.slots[<uint32_t>self.changed.names[number + 2 * AHEAD]])
        if number + AHEAD < self.changed.count:
            for line in range(ROW_LINES):
                look_ahead(
                    <char*>self.slots[<uint32_t>self.changed.names[number + AHEAD]].row
                    + line * CACHE_LINE
                )
        return 0

    cdef int ask_slot(self, uint32_t hashed) noexcept:
        cdef uint64_t entry = self.entry_of(hashed)
        if entry:
            look_ahead(&self.slots[<uint32_t>entry - 1])
        return 0

    cdef Row* ask_row(self, uint32_t hashed) noexcept:
        """Gives the row that is asked for, as far as can be told without reading it; or NULL."""
        cdef uint64_t entry = self.entry_of(hashed)
        cdef Row* row = self.slots[<uint32_t>entry - 1].row if entry else NULL
        cdef int line
        if row != NULL:
            for line in range(ROW_LINES):
                look_ahead(<char*>row + line * CACHE_LINE)
        return row

    cdef uint64_t entry_of(self, uint32_t hashed) noexcept:
        """The first in the index with this hash; 0 if there is none."""
        cdef uint64_t place = hashed & self.mask
        while self.index[place] and self.index[place] >> 32 != hashed:
            place = (place + 1) & self.mask
        return self.index[place]

    cdef Row* find(self, const char* key, Py_ssize_t size) noexcept:
        """The row of an order; NULL if it is not kept, and then `add` may follow."""
        return self.find_hashed(key, size, hash_of(key, size))

    cdef Row* find_hashed(self, const char* key, Py_ssize_t size, uint32_t hashed) noexcept:
        cdef uint64_t place = hashed & self.mask, entry
        cdef Row* row
        self.looked_for = hashed
        while True:
            entry = self.index[place]
            if entry == 0 or entry >> 32 == hashed:
                self.at = <uint32_t>place
                if entry == 0:
                    return NULL
                row = self.slots[<uint32_t>entry - 1].row
                if row.key_size == size and memcmp(row.text, key, size) == 0:
                    return row
            place = (place + 1) & self.mask

    cdef Row* keep(self, bytes key, bytes packed) except NULL:
        cdef Row* row = self.find(PyBytes_AS_STRING(key), len(key))
        assert PACKED_MIN <= len(packed) and len(key) <= KEY_MAX, "that is no order"
        if row == NULL:
            row = self.add(PyBytes_AS_STRING(key), len(key), len(packed))
        else:
            row = self.replace(row, len(packed))
        memcpy(packed_at(row), PyBytes_AS_STRING(packed), len(packed))
        return row

    cdef uint64_t found(self) noexcept:
        """The name of the order that was found or added last."""
        cdef uint32_t slot = <uint32_t>self.index[self.at] - 1
        return <uint64_t>self.slots[slot].life << 32 | slot

    cdef Row* add(self, const char* key, Py_ssize_t key_size, Py_ssize_t packed_size) except NULL:
        """A row for an order that `find` has just not found; its packed form is the caller's to
        write, and the change to note."""
        cdef Row* row
        cdef uint32_t slot = self.free_slot()
        row = <Row*>self.rows.take(sizeof(Row) + key_size + packed_size)
        row.packed_size, row.key_size = <uint32_t>packed_size, <uint16_t>key_size
        row.flags = 0
        memcpy(row.text, key, key_size)
        self.first_free = self.slots[slot].next_free
        self.slots[slot].row = row
        self.index[self.at] = <uint64_t>self.looked_for << 32 | (slot + 1)
        self.count += 1
        return row

    cdef int take_away(self) except -1:
        """Forget the order that `find` has just found."""
        cdef uint32_t number = <uint32_t>self.index[self.at] - 1
        cdef Slot* slot = &self.slots[number]
        if slot.row.flags & KEPT:
            self.gone.add(b"", slot.row.text, slot.row.key_size, NULL, -1)
        self.rows.give(slot.row, size_of(slot.row))
        slot.row, slot.life, slot.next_free = NULL, slot.life + 1, self.first_free
        self.first_free = number
        self.count -= 1
        return self.close_gap()

    cdef Row* named(self, uint64_t name) noexcept:
        """NULL where the order with this name is gone."""
        cdef Slot* slot = &self.slots[<uint32_t>name]
        return slot.row if slot.life == name >> 32 else NULL

    cdef int note_change(self, Row* row, uint64_t name) except -1:
        if not row.flags & CHANGED:
            append(&self.changed, name)
            row.flags |= CHANGED
        return 0

    cdef Row* replace(self, Row* row, Py_ssize_t packed_size) except NULL:
        """The row that was found, with room for another packed form."""
        cdef Row* other = <Row*>self.rows.take(sizeof(Row) + row.key_size + packed_size)
        memcpy(other, row, sizeof(Row) + row.key_size)
        self.rows.give(row, size_of(row))
        other.packed_size = <uint32_t>packed_size
        self.slots[<uint32_t>self.index[self.at] - 1].row = other
        return other

    cdef uint32_t free_slot(self) except? 0:
        """The number of a slot to put a row into, where the index has a place for it, too."""
        if <uint64_t>self.count * 8 >= (self.mask + 1) * FULL_EIGHTHS:
            self.spread((self.mask + 1) * 2)
            self.at = <uint32_t>place_for(self.index, self.mask, self.looked_for)
        if self.first_free != NO_SLOT:
            return self.first_free
        if self.used == self.room:
            self.make_room()
        self.slots[self.used].row = NULL
        self.slots[self.used].life, self.slots[self.used].next_free = 0, NO_SLOT
        self.used += 1
        self.first_free = self.used - 1
        return self.first_free

    cdef int make_room(self) except -1:
        """For half as many more slots."""
        cdef uint32_t room = max(PLACES_MIN, self.room + self.room // 2)
        cdef Slot* slots
        assert self.room < NO_SLOT // 2, "more orders than there are names for"
        slots = <Slot*>pages_take(room * sizeof(Slot))
        if slots == NULL:
            raise MemoryError
        if self.slots != NULL:
            memcpy(slots, self.slots, self.used * sizeof(Slot))
            pages_give(self.slots, self.room * sizeof(Slot))
        self.slots, self.room = slots, room
        return 0

    cdef int close_gap(self) noexcept:
        """Empty a place in the index, and move up what stands behind it for want of that."""
        cdef uint64_t gap = self.at, place = gap, home
        while True:
            place = (place + 1) & self.mask
            if self.index[place] == 0:
                break
            home = self.index[place] >> 32 & self.mask
            if (place - home & self.mask) >= (place - gap & self.mask):
                self.index[gap] = self.index[place]
                gap = place
        self.index[gap] = 0
        return 0

    cdef int spread(self, uint64_t places) except -1:
        """Have so many places in the index; no row is looked at."""
        cdef uint64_t* before = self.index
        cdef uint64_t* index = <uint64_t*>pages_take(places * sizeof(uint64_t))
        cdef uint64_t place, entry
        if index == NULL:
            raise MemoryError
        for place in range(self.mask + 1 if before != NULL else 0):
            entry = before[place]
            if entry:
                index[place_for(index, places - 1, entry >> 32)] = entry
        if before != NULL:
            pages_give(before, (self.mask + 1) * sizeof(uint64_t))
        self.index, self.mask = index, places - 1
        return 0


Mapping.register(Orders)


cdef uint32_t hash_of(const char* key, Py_ssize_t size) noexcept:
    return <uint32_t>(text_hash(key, size, SECRET ^ <uint64_t>size, SECRET) >> 32)


cdef uint64_t place_for(const uint64_t* index, uint64_t mask, uint64_t hashed) noexcept:
    cdef uint64_t place = hashed & mask
    while index[place]:
        place = (place + 1) & mask
    return place


cdef int append(Names* names, uint64_t name) except -1:
    if names.count == names.room:
        names.names = <uint64_t*>moved(names.names, (2 * names.room + 8) * sizeof(uint64_t))
        names.room = 2 * names.room + 8
    names.names[names.count] = name
    names.count += 1
    return 0


cdef object key_of(const Row* row):
    return PyBytes_FromStringAndSize(row.text, row.key_size)


cdef object packed_of(const Row* row):
    return PyBytes_FromStringAndSize(row.text + row.key_size, row.packed_size)
