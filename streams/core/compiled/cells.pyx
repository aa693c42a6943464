# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Counts what nearly all orders do, in C: they are opened, and answered in time.

Orders are counted in their faces as long as they fall into one second; then the counts are stowed
in the cells of that second, one for each face that has any. No object of Python is made for them.
`rows` tells what cells hold; where something else happened in a scope, that is moved into its row.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.string cimport memcpy, memset

from schemas.stats import Money, StatsRow
from streams.core.compiled.counts cimport (
    BUCKETS, BUCKETS_MAX, OUTCOMES, are_empty, clear, count_code, count_delay
)
from streams.core.compiled.faces cimport Face
from streams.core.compiled.memory cimport moved
from streams.core.compiled.structs cimport add_to, count_up, get, place_of
from streams.core.gauges import put_money
from streams.core.outcomes import FINAL_OUTCOMES
from streams.core.packing import TEXTS_AT
from streams.core.stakes import AMOUNT_COUNTED_MAX, CARD_AT, SENT_MS_AT

cdef extern from "words.h":
    void look_ahead(const void* place) noexcept

cdef enum:
    CARD_BEGINS = 41
    TEXTS_BEGIN = 48
    SENT_MS_BEGINS = 12
    AMOUNT_BEGINS = 32
    CELLS_MIN = 16
    AHEAD = 6  # Faces; from so many before memory is asked for.

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


@cython.final
cdef class Cells:
    """Of one second."""

    def __dealloc__(self) -> None:
        self.empty()
        PyMem_Free(self.cells)

    def flush(self, second) -> None:
        """Move all counts into the rows of their scopes."""
        cdef Py_ssize_t at
        for at in range(self.used):
            move_to_row(self.cells + at, second)
        self.empty()

    cdef Cell* add(self, PyObject* face) except NULL:
        """One more, without counts."""
        cdef Py_ssize_t room = max(2 * self.room, <Py_ssize_t>CELLS_MIN)
        cdef Cell* cell
        if self.used == self.room:
            self.cells, self.room = <Cell*>moved(self.cells, room * sizeof(Cell)), room
        cell = self.cells + self.used
        memset(cell, 0, sizeof(Cell))
        Py_INCREF(<Face>face)
        cell.face = face
        self.used += 1
        return cell

    cdef int empty(self) except -1:
        cdef Py_ssize_t at
        for at in range(self.used):
            clear(&self.cells[at].counts)
            Py_DECREF(<Face>self.cells[at].face)
        self.used = 0
        return 0


@cython.final
cdef class Counter:
    """Counts orders in the second that it turned to last."""

    def __cinit__(self, second_at) -> None:
        """`second_at` gives the second that a time falls into, whose `counted` are its cells."""
        self.second_at = second_at
        self.faces = Faces()

    def __len__(self) -> int:
        """How many faces it knows."""
        return len(self.faces.faces)

    def turn_away(self) -> None:
        """Let the second that is counted in have its counts."""
        self.stow()

    def let_go(self) -> None:
        """Forget all faces, the cells of all seconds having been flushed."""
        self.stow()
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
        cdef Counts* counts = self.counts(arrival_ms, card, size)
        counts.submitted += 1
        counts.open_minor += counted(amount)
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
        cdef Counts* counts = self.counts(arrival_ms, card, size)
        if not 0 <= outcome < OUTCOMES:
            raise ValueError(f"{outcome} is no final outcome")
        counts.outcomes[outcome] += 1
        counts.open_minor -= counted(amount)
        if code is not None:
            count_code(counts, code)
        return count_delay(counts, delay_ms)

    cdef Counts* counts(self, int64_t arrival_ms, const char* card, Py_ssize_t size) except NULL:
        cdef PyObject* face
        if <uint64_t>arrival_ms - <uint64_t>self.begin_ms >= self.span_ms:
            self.turn_to(arrival_ms)
        face = self.faces.find(card, size)
        if not (<Face>face).is_counted:
            self.cells.add(face)
            (<Face>face).is_counted = True
        return &(<Face>face).counts

    cdef int turn_to(self, int64_t arrival_ms) except -1:
        cdef int64_t into_ms = arrival_ms % 1000
        self.stow()
        self.cells = self.second_at(arrival_ms).counted
        if self.cells is None:
            raise TypeError("a second without cells")
        self.begin_ms = arrival_ms - (into_ms if into_ms >= 0 else into_ms + 1000)
        return self.take_up()

    cdef int stow(self) except -1:
        """Move the counts out of the faces into their cells, and turn to no second."""
        cdef Cell* cell
        cdef Py_ssize_t at
        for at in range(self.cells.used if self.span_ms else 0):
            cell = self.cells.cells + at
            if at + AHEAD < self.cells.used:
                come_near(<const char*>(cell + AHEAD).face)
            cell.counts = (<Face>cell.face).counts
            memset(&(<Face>cell.face).counts, 0, sizeof(Counts))
            (<Face>cell.face).is_counted = False
        self.span_ms = 0
        return 0

    cdef int take_up(self) except -1:
        """Move the counts of a second that was counted in before into the faces again."""
        cdef Cell* cell
        cdef Py_ssize_t at
        for at in range(self.cells.used):
            cell = self.cells.cells + at
            (<Face>cell.face).counts = cell.counts
            memset(&cell.counts, 0, sizeof(Counts))
            (<Face>cell.face).is_counted = True
        self.span_ms = 1000
        return 0


cdef inline void come_near(const char* face) noexcept:
    """All of it that orders are counted in."""
    look_ahead(face + 16)
    look_ahead(face + 16 + 64)
    look_ahead(face + 16 + 128)


cdef const char* card_of(bytes packed) except NULL:
    if PyBytes_GET_SIZE(packed) < TEXTS_BEGIN:
        raise ValueError("a packed order is cut")
    return PyBytes_AS_STRING(packed) + CARD_BEGINS


cdef inline int64_t counted(int64_t amount) noexcept:
    """As of stakes."""
    return max(-COUNTED_MAX, min(amount, COUNTED_MAX))


cdef int move_to_row(Cell* cell, second) except -1:
    """Move what a cell holds into the row of its scope."""
    cdef Face face = <Face>cell.face
    cdef Counts* counts = &cell.counts
    cdef int number
    if are_empty(counts):
        return 0
    row = second.row(face.scope)
    delays = <dict>get(row, ROW_DELAYS)
    add_to(row, ROW_SUBMITTED, counts.submitted)
    for number in range(OUTCOMES):
        add_to(row, ROW_OUTCOMES[number], counts.outcomes[number])
    for number in range(BUCKETS_MAX):
        if counts.buckets[number]:
            count_up(delays, counts.buckets[number] - 1, counts.times[number])
    for number in range(BUCKETS if counts.all_times != NULL else 0):
        if counts.all_times[number]:
            count_up(delays, number, counts.all_times[number])
    if counts.codes != NULL:
        for code, times in (<dict>counts.codes).items():
            count_up(<dict>get(row, ROW_CODES), code, times)
    if face.currency is not None:
        add_to(put_money(row, face.currency), OPEN_MINOR, counts.open_minor)
    clear(counts)
    return 0
