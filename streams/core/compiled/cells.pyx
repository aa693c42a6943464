# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Counts of what nearly all orders do, in C: they are opened, and answered in time.

Each second has a cell for every face that something was counted in, and no object of Python for
any of them. `rows` tells what they hold; where something else happened in a scope, its counts are
moved into the row of the scope.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from libc.string cimport memcpy, memset

from schemas.stats import Money, StatsRow
from streams.core.compiled.memory cimport moved
from streams.core.compiled.structs cimport add_to, count_up, get, place_of
from streams.core.gauges import put_money
from streams.core.outcomes import FINAL_OUTCOMES
from streams.core.packing import TEXTS_AT
from streams.core.stakes import AMOUNT_COUNTED_MAX, CARD_AT, SENT_MS_AT

cdef extern from "words.h":
    int bit_length(uint64_t word)

cdef enum:
    CARD_BEGINS = 41
    TEXTS_BEGIN = 48
    SENT_MS_BEGINS = 12
    AMOUNT_BEGINS = 32
    CELLS_MIN = 16

assert (CARD_AT, TEXTS_AT, SENT_MS_AT) == (41, 48, 12), "the packed form was changed"
assert len(FINAL_OUTCOMES) == OUTCOMES, "there is another outcome"

cdef Py_ssize_t ROW_SUBMITTED = place_of(StatsRow, "submitted")
cdef Py_ssize_t ROW_DELAYS = place_of(StatsRow, "delays")
cdef Py_ssize_t ROW_CODES = place_of(StatsRow, "codes")
cdef Py_ssize_t OPEN_MINOR = place_of(Money, "open_minor")
cdef dict FINAL = {outcome: number for number, outcome in enumerate(FINAL_OUTCOMES)}
cdef Py_ssize_t[OUTCOMES] ROW_OUTCOMES
for _number, _outcome in enumerate(FINAL_OUTCOMES):
    ROW_OUTCOMES[_number] = place_of(StatsRow, _outcome)

cdef int64_t COUNTED_MAX = AMOUNT_COUNTED_MAX
cdef uint64_t STAMPS = 0  # No two cells have the same, in whatever tally.


@cython.final
cdef class Cells:
    """Of one second, in the order in which their faces came."""

    def __cinit__(self) -> None:
        self.empty()

    def __dealloc__(self) -> None:
        self.empty()
        PyMem_Free(self.cells)

    def flush(self, second) -> None:
        """Move all counts into the rows of their scopes."""
        cdef Py_ssize_t at
        for at in range(self.used):
            move_to_row(self.cells + at, second)
        self.empty()

    cdef Cell* add(self, Face face) except NULL:
        """One more, for a face that has none here."""
        cdef Py_ssize_t room = max(2 * self.room, <Py_ssize_t>CELLS_MIN)
        cdef Cell* cell
        if self.used == self.room:
            self.cells, self.room = <Cell*>moved(self.cells, room * sizeof(Cell)), room
        cell = self.cells + self.used
        memset(cell, 0, sizeof(Cell))
        Py_INCREF(face)
        cell.face = <PyObject*>face
        face.stamp, face.at = self.stamp, self.used
        self.used += 1
        return cell

    cdef int recall(self) except -1:
        """Let the faces know their cells here again."""
        cdef Py_ssize_t at
        cdef Face face
        for at in range(self.used):
            face = <Face>self.cells[at].face
            face.stamp, face.at = self.stamp, at
        return 0

    cdef int empty(self) except -1:
        """Let all faces go."""
        global STAMPS
        cdef Py_ssize_t at
        for at in range(self.used):
            clear(self.cells + at)
            Py_DECREF(<object>self.cells[at].face)
        STAMPS += 1
        self.used, self.stamp = 0, STAMPS
        return 0


@cython.final
cdef class Counter:
    """Counts orders in the cells of the second that it last turned to."""

    def __init__(self, second_at) -> None:
        """`second_at` gives the second that a time falls into, whose `counted` are its cells."""
        self.second_at = second_at
        self.faces = Faces()

    def __len__(self) -> int:
        """How many faces it knows."""
        return len(self.faces.faces)

    def turn_away(self) -> None:
        """Ask anew for the second of the next order."""
        self.span_ms = 0

    def let_go(self) -> None:
        """Forget all faces, the cells of all seconds having been flushed."""
        self.faces.clear()

    def note_opened(self, int64_t at_ms, int64_t amount, bytes packed) -> None:
        """An order of so much was opened, which stands there in packed form."""
        self.opened(at_ms, amount, card_of(packed), PyBytes_GET_SIZE(packed) - CARD_BEGINS)

    def note_answered(self, int64_t at_ms, returned, bytes packed) -> None:
        """The order that stands there was answered in time."""
        cdef const char* card = card_of(packed)
        cdef int64_t[2] sent_ms_and_amount
        memcpy(sent_ms_and_amount, card + SENT_MS_BEGINS - CARD_BEGINS, 8)
        memcpy(sent_ms_and_amount + 1, card + AMOUNT_BEGINS - CARD_BEGINS, 8)
        self.answered(
            at_ms,
            at_ms - sent_ms_and_amount[0],
            sent_ms_and_amount[1],
            card,
            PyBytes_GET_SIZE(packed) - CARD_BEGINS,
            FINAL[returned.outcome],
            returned.code,
        )

    cdef int opened(
        self, int64_t arrival_ms, int64_t amount, const char* card, Py_ssize_t size
    ) except -1:
        """An order of so much was opened; `card` are `size` bytes at the end of its packed form,
        from the lengths of its texts on."""
        cdef Cell* cell = self.cell(arrival_ms, card, size)
        cell.submitted += 1
        cell.open_minor += counted(amount)
        return 0

    cdef int answered(
        self,
        int64_t arrival_ms,
        int64_t delay_ms,
        int64_t amount,
        const char* card,
        Py_ssize_t size,
        int outcome,
        object code,
    ) except -1:
        """One of so much was answered in time, so long after it was submitted, by a final outcome
        (its number) and a code or None."""
        cdef Cell* cell = self.cell(arrival_ms, card, size)
        if not 0 <= outcome < OUTCOMES:
            raise ValueError(f"{outcome} is no final outcome")
        cell.outcomes[outcome] += 1
        cell.open_minor -= counted(amount)
        if code is not None:
            count_code(cell, code)
        return count_delay(cell, bucket_of(delay_ms))

    cdef Cell* cell(self, int64_t arrival_ms, const char* card, Py_ssize_t size) except NULL:
        cdef Face face
        if <uint64_t>arrival_ms - <uint64_t>self.begin_ms >= self.span_ms:
            self.turn_to(arrival_ms)
        face = self.faces.find(card, size)
        if face.stamp == self.cells.stamp:
            return self.cells.cells + face.at
        return self.cells.add(face)

    cdef int turn_to(self, int64_t arrival_ms) except -1:
        cdef int64_t into_ms = arrival_ms % 1000
        self.cells = self.second_at(arrival_ms).counted
        self.cells.recall()
        self.begin_ms = arrival_ms - (into_ms if into_ms >= 0 else into_ms + 1000)
        self.span_ms = 1000
        return 0


cdef const char* card_of(bytes packed) except NULL:
    if PyBytes_GET_SIZE(packed) < TEXTS_BEGIN:
        raise ValueError("a packed order is cut")
    return PyBytes_AS_STRING(packed) + CARD_BEGINS


cdef inline int64_t counted(int64_t amount) noexcept:
    """As of stakes."""
    return max(-COUNTED_MAX, min(amount, COUNTED_MAX))


cdef inline int bucket_of(int64_t delay_ms) noexcept:
    """As delay_bucket of schemas.stats."""
    cdef int octave
    if delay_ms < 8:
        return <int>delay_ms if delay_ms > 0 else 0
    octave = bit_length(<uint64_t>delay_ms) - 3
    return octave * 4 + <int>(delay_ms >> octave)


cdef int count_delay(Cell* cell, int bucket) except -1:
    cdef int number
    for number in range(cell.buckets_used):
        if cell.buckets[number] == bucket:
            cell.times[number] += 1
            return 0
    if cell.buckets_used < BUCKETS_MAX:
        cell.buckets[cell.buckets_used] = <uint8_t>bucket
        cell.times[cell.buckets_used] = 1
        cell.buckets_used += 1
        return 0
    if cell.all_times == NULL:
        cell.all_times = <int64_t*>PyMem_Calloc(BUCKETS, sizeof(int64_t))
        if cell.all_times == NULL:
            raise MemoryError
    cell.all_times[bucket] += 1
    return 0


cdef int count_code(Cell* cell, code) except -1:
    if cell.codes == NULL:
        codes = {}
        Py_INCREF(codes)
        cell.codes = <PyObject*>codes
    return count_up(<dict>cell.codes, code, 1)


cdef int move_to_row(Cell* cell, second) except -1:
    """Move what a cell holds into the row of its scope."""
    cdef Face face = <Face>cell.face
    cdef int number
    if is_empty(cell):
        return 0
    row = second.row(face.scope)
    delays = <dict>get(row, ROW_DELAYS)
    add_to(row, ROW_SUBMITTED, cell.submitted)
    for number in range(OUTCOMES):
        add_to(row, ROW_OUTCOMES[number], cell.outcomes[number])
    for number in range(cell.buckets_used):
        count_up(delays, cell.buckets[number], cell.times[number])
    for number in range(BUCKETS if cell.all_times != NULL else 0):
        if cell.all_times[number]:
            count_up(delays, number, cell.all_times[number])
    if cell.codes != NULL:
        for code, times in (<dict>cell.codes).items():
            count_up(<dict>get(row, ROW_CODES), code, times)
    if face.currency is not None:
        add_to(put_money(row, face.currency), OPEN_MINOR, cell.open_minor)
    clear(cell)
    return 0


cdef int clear(Cell* cell) except -1:
    """Count from nothing again, in the same face."""
    cdef PyObject* face = cell.face
    Py_XDECREF(cell.codes)
    PyMem_Free(cell.all_times)
    memset(cell, 0, sizeof(Cell))
    cell.face = face
    return 0
