# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What a second's cells hold, told as rows in JSON: byte for byte what schemas.stats writes.

Where nothing else happened in a scope its row is written straight from its cells, one for each
currency; else their counts are moved into the row that the second has of it, which goes the way of
every row.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from schemas.stats import SCOPES_A_SECOND_MAX, Money, StatsRow, encode_codes, encode_row
from streams.core.compiled.cells cimport Cell, Cells, Counter, move_to_row
from streams.core.compiled.counts cimport Sum, add, are_empty, begin, change_of
from streams.core.compiled.faces cimport Face, Faces, compare
from streams.core.compiled.memory cimport moved
from streams.core.compiled.structs cimport add_to, count_up, get_number, place_of
from streams.core.compiled.text cimport (
    Text, end, put, put_bytes, put_end, put_field, put_number, put_text, room_for, written
)
from streams.core.gauges import by_scope, put_money
from streams.core.outcomes import FINAL_OUTCOMES
from streams.core.rows import trimmed, trimmed_codes

cdef extern from "words.h":
    int first_bit(uint64_t word)
    void look_ahead(const void* place) noexcept

cdef enum:
    AHEAD = 3  # Rows.
    ROW_SIZE_MAX = 10_000  # Of counts, and of as many delays as there are: 24 bytes each.
    MONEY_SIZE_MAX = 100  # Its two sums.
    TEXT_KEPT_MAX = 1_000_000  # Bytes of memory that stay for the next second.

cdef Py_ssize_t ROWS_MAX = SCOPES_A_SECOND_MAX
cdef Py_ssize_t ROW_OPEN = place_of(StatsRow, "open_orders")
cdef Py_ssize_t ROW_OVERDUE = place_of(StatsRow, "overdue_orders")
cdef Py_ssize_t OPEN_MINOR = place_of(Money, "open_minor")
cdef Py_ssize_t OVERDUE_MINOR = place_of(Money, "overdue_minor")
assert tuple(FINAL_OUTCOMES) == ("accepted", "rejected", "cancelled"), "other names are written"


@cython.final
cdef class Teller:
    """Of the seconds of one counter."""
    cdef Counter counter
    cdef Faces faces
    cdef Text text
    cdef Sum sum
    cdef uint64_t* marks  # A bit for each place in the order of faces.
    cdef Cell** found  # By that place; then those that are found, without gaps.
    cdef Py_ssize_t room

    def __cinit__(self, Counter counter not None) -> None:
        self.counter, self.faces = counter, counter.faces

    def __dealloc__(self) -> None:
        PyMem_Free(self.text.begin)
        PyMem_Free(self.marks)
        PyMem_Free(self.found)

    def closed(self, int64_t second_s, second, gauges) -> tuple[int, bytes] | None:
        """How many rows a second has at its end, and its JSON; the gauges stand there from now on.
        None where it has more rows than are told one by one."""
        cdef Py_ssize_t used = self.sort(second.counted), rows
        if self.scopes(used) + len(second.rows) > ROWS_MAX:
            return None
        self.begin(second_s)
        rows = self.write_rows(used, second, gauges)
        return rows, self.taken()

    def kept(self, int64_t second_s, second) -> bytes:
        """What a checkpoint keeps of a second that is not closed: its rows hold changes."""
        cdef Py_ssize_t used = self.sort(second.counted)
        self.begin(second_s)
        self.write_rows(used, second, None)
        return self.taken()

    # The order of the rows.

    cdef Py_ssize_t sort(self, Cells cells) except -1:
        """Put the cells that hold counts into `found`, by scope and currency; how many."""
        cdef Py_ssize_t faces = len(self.faces.faces), words = (faces + 63) >> 6, used = 0, at, place
        cdef uint64_t bits
        cdef Face face
        if cells is None:
            raise TypeError("a second without cells")
        self.counter.stow()
        self.faces.rank()
        self.make_room(faces)
        memset(self.marks, 0, words * sizeof(uint64_t))
        for at in range(cells.used):
            face = <Face>cells.cells[at].face
            if face.number >= faces or self.faces.faces[face.number] is not face:
                raise AssertionError("a face was let go while orders were counted in it")
            if not are_empty(&cells.cells[at].counts):
                place = self.faces.ranks[face.number]
                self.found[place] = cells.cells + at
                self.marks[place >> 6] |= <uint64_t>1 << (place & 63)
        for place in range(words):
            bits = self.marks[place]
            while bits:
                self.found[used] = self.found[(place << 6) + first_bit(bits)]
                used += 1
                bits &= bits - 1
        return used

    cdef int make_room(self, Py_ssize_t faces) except -1:
        cdef Py_ssize_t room = 2 * faces + 64
        if faces >= self.room:
            self.found = <Cell**>moved(self.found, room * sizeof(Cell*))
            self.marks = <uint64_t*>moved(self.marks, ((room + 63) >> 6) * sizeof(uint64_t))
            self.room = room
        return 0

    cdef Py_ssize_t scopes(self, Py_ssize_t used) except -1:
        cdef Py_ssize_t at = 0, number = 0
        while at < used:
            at = self.end_of_scope(at, used)
            number += 1
        return number

    cdef Py_ssize_t end_of_scope(self, Py_ssize_t at, Py_ssize_t used) except -1:
        cdef tuple scope = (<Face>self.found[at].face).scope
        while at < used and (<Face>self.found[at].face).scope is scope:
            at += 1
        return at

    # Writing them.

    cdef Py_ssize_t write_rows(self, Py_ssize_t used, second, gauges) except -1:
        """Those of the cells that were found, and those that the second has; how many."""
        cdef list rows = sorted([(by_scope(scope).encode(), scope) for scope in second.rows])
        cdef Py_ssize_t row = 0, at = 0, end, number, alone = 0
        cdef int order
        cdef Face face
        while at < used or row < len(rows):
            self.come_near(at, used)
            order = 1
            if at < used:
                face, end = <Face>self.found[at].face, self.end_of_scope(at, used)
            if row < len(rows):
                order = compare(<bytes>(<tuple>rows[row])[0], face.key) if at < used else -1
            if order < 0:
                self.write_known((<tuple>rows[row])[1], second, gauges)
                row += 1
                continue
            if order > 0:
                self.write_row(self.found + at, end - at, gauges)
                alone += 1
            else:  # It is written with the rest of its row.
                for number in range(at, end):
                    move_to_row(self.found[number], second)
            at = end
        return alone + len(rows)

    cdef void come_near(self, Py_ssize_t at, Py_ssize_t used) noexcept:
        """What the next rows are told by is far from each other, in no cache any more."""
        cdef PyObject* face
        if at + 2 * AHEAD < used:
            look_ahead(<const char*>&(<Face>self.found[at + 2 * AHEAD].face).number)
        if at + AHEAD < used:
            face = self.found[at + AHEAD].face
            look_ahead(<const char*><PyObject*>(<Face>face).begun + 32)
            look_ahead(<const char*><PyObject*>(<Face>face).begun + 96)
            look_ahead(<const char*><PyObject*>(<Face>face).money_begun + 32)
            look_ahead(<const char*><PyObject*>(<Face>face).gauge + ROW_OPEN)
            look_ahead(<const char*><PyObject*>(<Face>face).money + OPEN_MINOR)

    cdef int write_known(self, scope, second, gauges) except -1:
        """A row that the second has; gauges are None where it is not closed."""
        row = second.rows[scope]
        if gauges is None:
            return put_text(&self.text, encode_row(row))
        gauges.settle({scope: row})
        return put_text(&self.text, encode_row(trimmed(row)))

    cdef int write_row(self, Cell** cells, Py_ssize_t number, gauges) except -1:
        """That of all cells of a scope."""
        cdef Face face = <Face>cells[0].face
        cdef int64_t open_orders = 0, overdue_orders = 0
        cdef Sum* sum = &self.sum
        cdef Py_ssize_t at
        cdef char* to
        gauge = None
        begin(sum)
        for at in range(number):
            add(sum, &cells[at].counts)
        if gauges is not None:
            gauge = gauge_of(face, gauges)
            open_orders = add_to(gauge, ROW_OPEN, change_of(sum))
            overdue_orders = get_number(gauge, ROW_OVERDUE, 0)
        to = room_for(&self.text, ROW_SIZE_MAX + PyBytes_GET_SIZE(face.begun))
        to = put_bytes(to, face.begun)
        to = put_field(to, b'"submitted":', sum.submitted)
        to = put_field(to, b'"accepted":', sum.outcomes[0])
        to = put_field(to, b'"rejected":', sum.outcomes[1])
        to = put_field(to, b'"cancelled":', sum.outcomes[2])
        to = put_field(to, b'"open_orders":', open_orders)
        to = put_field(to, b'"overdue_orders":', overdue_orders)
        if sum.has_codes:
            written(&self.text, to)
            self.write_codes(cells, number, gauges)
            to = room_for(&self.text, ROW_SIZE_MAX)
        written(&self.text, put_delays(to, sum))
        self.write_money(cells, number, gauge)
        end(&self.text, b"}")
        if gauge is not None and not open_orders and not overdue_orders:
            gauges.drop(face.scope)
        return 0

    cdef int write_codes(self, Cell** cells, Py_ssize_t number, gauges) except -1:
        cdef dict codes = {}
        cdef Py_ssize_t at
        for at in range(number):
            if cells[at].counts.codes != NULL:
                for code, times in (<dict>cells[at].counts.codes).items():
                    count_up(codes, code, times)
        if gauges is not None:
            codes = trimmed_codes(codes)
        return put_text(&self.text, b'"codes":' + <bytes>encode_codes(codes))

    cdef int write_money(self, Cell** cells, Py_ssize_t number, gauge) except -1:
        """What is open in each currency; of what is kept, how much that has changed."""
        cdef int64_t open_minor, overdue_minor = 0
        cdef Py_ssize_t at, begun = self.text.size
        cdef Face face
        cdef char* to
        for at in range(number):
            face, open_minor = <Face>cells[at].face, cells[at].counts.open_minor
            if face.currency is None:
                continue
            if gauge is not None:
                money = money_of(face, gauge)
                open_minor = add_to(money, OPEN_MINOR, open_minor)
                overdue_minor = get_number(money, OVERDUE_MINOR, 0)
                if not open_minor and not overdue_minor:
                    continue
            to = room_for(&self.text, MONEY_SIZE_MAX + PyBytes_GET_SIZE(face.money_begun))
            if self.text.size == begun:
                to = put(to, b'"money":[')
            to = put_bytes(to, face.money_begun)
            to = put_field(to, b'"open_minor":', open_minor)
            to = put_field(to, b'"overdue_minor":', overdue_minor)
            written(&self.text, put(put_end(to, b"}"), b","))
        return end(&self.text, b"]") if self.text.size > begun else 0

    cdef int begin(self, int64_t second_s) except -1:
        cdef char* to
        self.text.size = 0
        to = put_number(put(room_for(&self.text, 100), b'{"second_s":'), second_s)
        return written(&self.text, put(to, b',"rows":['))

    cdef bytes taken(self):
        """The second, all its rows being written."""
        end(&self.text, b"]")
        end(&self.text, b"}")
        second = PyBytes_FromStringAndSize(self.text.begin, self.text.size - 1)
        if self.text.room > TEXT_KEPT_MAX:
            PyMem_Free(self.text.begin)
            self.text.begin, self.text.room = NULL, 0
        return second


cdef inline char* put_delays(char* to, Sum* sum) noexcept:
    cdef int word, bucket
    cdef uint64_t bits
    if not (sum.buckets[0] | sum.buckets[1] | sum.buckets[2] | sum.buckets[3]):
        return to
    to = put(to, b'"delays":{')
    for word in range(4):
        bits = sum.buckets[word]
        while bits:
            bucket = (word << 6) + first_bit(bits)
            bits &= bits - 1
            to = put(put_number(put(to, b'"'), bucket), b'":')
            to = put(put_number(to, sum.times[bucket]), b",")
    return put(put_end(to, b"}"), b",")


cdef object gauge_of(Face face, gauges):
    """What is open in the scope of the face. One of nothing may have been dropped since it was
    found; any other stands among the gauges as long as it is one."""
    gauge = face.gauge
    if (
        gauge is None
        or get_number(gauge, ROW_OPEN, 0) == 0
        and get_number(gauge, ROW_OVERDUE, 0) == 0
    ):
        gauge = gauges.of(face.scope)
        face.gauge, face.money = gauge, None
    return gauge


cdef object money_of(Face face, gauge):
    if face.gauge is not gauge or face.money is None:
        face.gauge, face.money = gauge, put_money(gauge, face.currency)
    return face.money
