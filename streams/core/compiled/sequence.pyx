# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""One sequence out of the two topics of one partition number, in C: as streams.core.sequence.

No object is made of a record until somebody looks at its entry; the lane looks at few.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t

from schemas.codec import read_return, read_submission
from schemas.records import RETURNED, SUBMITTED
from streams.core import sequence as python
from streams.core.compiled.blocks cimport Block, Spot

cdef int64_t NEVER_MS = python.NEVER_MS
cdef tuple READERS = (read_submission, read_return)
assert (SUBMITTED, RETURNED) == (0, 1)


cdef class Portion:
    """Entries in the order of the sequence."""

    def __dealloc__(self) -> None:
        if self.whole is None:
            PyMem_Free(self.items)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place):
        if isinstance(place, slice):
            return self.part(*place.indices(self.count))
        number = place + self.count if place < 0 else place
        if not 0 <= number < self.count:
            raise IndexError(place)
        return self.made_entry(number)

    def part(self, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t step) -> Portion:
        """The entries from one to before another."""
        cdef Portion part = Portion()
        assert step == 1, "entries are worked one after another"
        part.items, part.count = self.items + start, max(stop - start, 0)
        part.blocks, part.whole = self.blocks, self if self.whole is None else self.whole
        return part

    cdef object made_entry(self, Py_ssize_t number):
        """The same, kept for who looks again."""
        cdef Portion whole = self if self.whole is None else self.whole
        cdef Py_ssize_t place = self.items + number - whole.items
        if whole.made is None:
            whole.made = [None] * whole.count
        if whole.made[place] is None:
            whole.made[place] = self.entry(number)
        return whole.made[place]

    cdef object entry(self, Py_ssize_t number):
        cdef Spot* spot = self.items[number].spot
        cdef Block block = <Block>self.items[number].block
        record = block.record(spot - block.spots)
        event = READERS[spot.side](record)
        return spot.arrival_ms, spot.side, spot.offset, event, record, spot.logged_ms


cdef class Side:
    """What was read of one topic; of the first block, `worked_to` are no more in it."""
    cdef object worked
    cdef int64_t position, arrival_ms, proven_ms
    cdef list blocks
    cdef Py_ssize_t worked_to, waiting

    def __init__(self, mark) -> None:
        self.worked, self.position, self.arrival_ms = mark, mark.next_offset, mark.arrival_ms
        self.proven_ms = NEVER_MS
        self.blocks = []

    cdef int64_t complete_ms(self) noexcept:
        return max(self.arrival_ms, self.proven_ms)

    cdef Spot* first(self) noexcept:
        """The first record that waits, of one or more."""
        return &(<Block>self.blocks[0]).spots[self.worked_to]

    cdef Py_ssize_t before(self, int64_t frontier_ms) noexcept:
        """How many records arrived before it."""
        cdef Py_ssize_t found = 0, number = self.worked_to
        cdef Block block
        for block in self.blocks:
            while number < block.count:
                if block.spots[number].arrival_ms >= frontier_ms:
                    return found
                found, number = found + 1, number + 1
            number = 0
        return found

    cdef int release(self, Py_ssize_t count, Item* into, list blocks) except -1:
        """Move so many records out, and note the last as worked."""
        cdef Py_ssize_t left = count
        cdef Block block
        while left:
            block = <Block>self.blocks[0]
            blocks.append(block)
            while left and self.worked_to < block.count:
                into.spot, into.block = &block.spots[self.worked_to], <PyObject*>block
                into, left, self.worked_to = into + 1, left - 1, self.worked_to + 1
            if not left:
                self.note_worked(block)
            if self.worked_to == block.count:
                del self.blocks[0]
                self.worked_to = 0
        self.waiting -= count
        return 0

    cdef int note_worked(self, Block block) except -1:
        cdef Spot* last = &block.spots[self.worked_to - 1]
        assert last.offset >= self.worked.next_offset, "an offset went backwards"
        record = block.record(self.worked_to - 1)
        self.worked = python.Mark(last.offset + 1, last.logged_ms, record)
        return 0


cdef class Sequence:
    """The merged records of one partition number; `take` gives those before the frontier."""
    cdef readonly int64_t frontier_ms
    cdef readonly int records_behind_frontier
    cdef tuple sides

    def __init__(self, marks, int64_t frontier_ms = NEVER_MS) -> None:
        self.frontier_ms = frontier_ms
        self.sides = tuple(Side(mark) for mark in marks)

    def feed(self, int side, stretch) -> None:
        """As streams.core.sequence says; a block can be fed once only."""
        cdef Side of = self.sides[side]
        cdef Block block
        if stretch.from_offset != of.position or stretch.next_offset < stretch.from_offset:
            raise python.OffsetGap(
                f"expected offset {of.position}, was handed {stretch.from_offset} to "
                f"{stretch.next_offset}"
            )
        records = stretch.records
        block = records if type(records) is Block else Block.of(records)
        self.line_up(of, block, side)
        of.position = stretch.next_offset

    cdef int line_up(self, Side of, Block block, int side) except -1:
        """Give records their arrival."""
        cdef int64_t arrival = of.arrival_ms
        cdef Py_ssize_t number
        cdef Spot* spot
        for number in range(block.count):
            spot = &block.spots[number]
            arrival = max(arrival, spot.timestamp_ms)
            spot.side, spot.logged_ms, spot.arrival_ms = <uint8_t>side, arrival, arrival
            if arrival < self.frontier_ms:
                self.records_behind_frontier += 1
                spot.arrival_ms = self.frontier_ms - 1
        of.arrival_ms = arrival
        if block.count:
            of.blocks.append(block)
            of.waiting += block.count
        return 0

    def prove(self, int side, int64_t high_watermark, int64_t to_ms) -> bool:
        """Complete up to `to_ms` if the position has reached the watermark."""
        cdef Side of = self.sides[side]
        cdef bint reached = of.position >= high_watermark
        if reached and to_ms > of.proven_ms:
            of.proven_ms = to_ms
        return reached

    def take(self, int64_t limit_ms) -> Portion:
        """Move the frontier on, never beyond `limit_ms`, and give the records before it."""
        cdef Side submitted = self.sides[0], returned = self.sides[1]
        cdef int64_t frontier = min(submitted.complete_ms(), returned.complete_ms(), limit_ms)
        cdef Py_ssize_t first, second
        cdef Portion portion = Portion()
        self.frontier_ms = frontier = max(frontier, self.frontier_ms)
        first, second = submitted.before(frontier), returned.before(frontier)
        portion.blocks, portion.count = [], first + second
        if not portion.count:
            return portion
        portion.items = <Item*>PyMem_Malloc(2 * portion.count * sizeof(Item))
        if portion.items == NULL:
            raise MemoryError
        submitted.release(first, portion.items + portion.count, portion.blocks)
        returned.release(second, portion.items + portion.count + first, portion.blocks)
        merge(portion.items, portion.items + portion.count, first, second)
        return portion

    def position(self, int side) -> int:
        """The offset up to which one side has been read."""
        return (<Side>self.sides[side]).position

    def marks(self) -> tuple:
        """Where both sides have been worked to; the next offset never passes a waiting record."""
        return self.mark(self.sides[0]), self.mark(self.sides[1])

    def buffered(self, int side) -> int:
        """How many records of one side wait for the frontier."""
        return (<Side>self.sides[side]).waiting

    def first_waiting_ms(self) -> int | None:
        """The arrival of the first record that waits for the frontier."""
        cdef Side of
        return min([of.first().arrival_ms for of in self.sides if of.waiting], default=None)

    def is_ahead(self, int side) -> bool:
        """Whether one side stands later in time than the other, so that it may be held back."""
        return self.complete_ms(side) > self.complete_ms(1 - side)

    def complete_ms(self, int side) -> int:
        """Up to when one side is complete."""
        return (<Side>self.sides[side]).complete_ms()

    cdef object mark(self, Side of):
        cdef int64_t next_offset = of.first().offset if of.waiting else of.position
        if of.worked.next_offset == next_offset:
            return of.worked
        return python.Mark(next_offset, of.worked.arrival_ms, of.worked.last)


cdef int merge(Item* into, const Item* items, Py_ssize_t first, Py_ssize_t second) noexcept:
    """By arrival; what was submitted stands before what was returned."""
    cdef const Item* submitted = items
    cdef const Item* returned = items + first
    cdef const Item* end = returned + second
    while submitted < items + first and returned < end:
        if submitted.spot.arrival_ms <= returned.spot.arrival_ms:
            into[0] = submitted[0]
            submitted += 1
        else:
            into[0] = returned[0]
            returned += 1
        into += 1
    while submitted < items + first:
        into[0] = submitted[0]
        submitted, into = submitted + 1, into + 1
    while returned < end:
        into[0] = returned[0]
        returned, into = returned + 1, into + 1
    return 0
