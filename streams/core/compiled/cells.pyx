# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What nearly all orders are counted in, in C: a cell for each scope and currency of a second.

A cell counts orders that were opened, and answered in time. Where nothing else happened in its
scope, `closed` writes the JSON of the row straight from it, byte for byte what schemas.stats
writes; else its counts are moved into the row and go the way of every row.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_GetItem
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from schemas.stats import SCOPES_A_SECOND_MAX, Money, StatsRow, encode_codes, encode_row
from streams.core.compiled.structs cimport add_to, count_up, get, get_number, place_of, put_number
from streams.core.gauges import by_scope, put_money
from streams.core.outcomes import FINAL_OUTCOMES
from streams.core.rows import trimmed, trimmed_codes
from streams.core.stakes import AMOUNT_COUNTED_MAX

cdef Py_ssize_t ROW_SUBMITTED = place_of(StatsRow, "submitted")
cdef Py_ssize_t ROW_DELAYS = place_of(StatsRow, "delays")
cdef Py_ssize_t ROW_CODES = place_of(StatsRow, "codes")
cdef Py_ssize_t ROW_MONEY = place_of(StatsRow, "money")
cdef Py_ssize_t ROW_OPEN = place_of(StatsRow, "open_orders")
cdef Py_ssize_t ROW_OVERDUE = place_of(StatsRow, "overdue_orders")
cdef Py_ssize_t CURRENCY = place_of(Money, "currency")
cdef Py_ssize_t OPEN_MINOR = place_of(Money, "open_minor")
cdef Py_ssize_t OVERDUE_MINOR = place_of(Money, "overdue_minor")
cdef dict FINAL = {outcome: number for number, outcome in enumerate(FINAL_OUTCOMES)}
cdef list OUTCOMES = [f'"{outcome}":'.encode() for outcome in FINAL_OUTCOMES]
cdef Py_ssize_t[3] ROW_OUTCOMES
for _number, _outcome in enumerate(FINAL_OUTCOMES):
    ROW_OUTCOMES[_number] = place_of(StatsRow, _outcome)

cdef Py_ssize_t ROWS_MAX = SCOPES_A_SECOND_MAX
cdef int64_t COUNTED_MAX = AMOUNT_COUNTED_MAX
cdef Py_ssize_t BEGUN_MAX = 20_000
cdef dict BEGUN = {}  # By scope: what it is sorted by, and what the JSON of its rows begins with.


cdef inline int64_t counted(int64_t amount) noexcept:
    """As of stakes."""
    return max(-COUNTED_MAX, min(amount, COUNTED_MAX))


cdef inline int bucket_of(int64_t delay_ms) noexcept:
    """As delay_bucket of schemas.stats."""
    cdef int octave = 0
    if delay_ms < 8:
        return <int>delay_ms if delay_ms > 0 else 0
    while delay_ms >> octave >= 8:
        octave += 1
    return octave * 4 + <int>(delay_ms >> octave)


cdef Cell new_cell(tuple face):
    cdef Cell cell = Cell.__new__(Cell)
    cell.scope, cell.currency = face
    return cell


cdef class Cell:
    """Counts of one scope and currency."""

    def __init__(self, tuple scope, str currency) -> None:
        self.scope, self.currency = scope, currency

    def opened(self, int64_t amount) -> None:
        """An order of so much was opened."""
        self.count_opened(amount)

    def answered(self, returned, int64_t delay_ms, int64_t amount) -> None:
        """One of so much was answered in time, so long after it was submitted."""
        self.count_answered(FINAL[returned.outcome], returned.code, delay_ms, amount)

    def flush(self, row, money) -> None:
        """Move all counts into the row of the scope and the money in it."""
        cdef int number
        add_to(row, ROW_SUBMITTED, self.submitted)
        add_to(money, OPEN_MINOR, self.open_minor)
        for number in range(3):
            add_to(row, ROW_OUTCOMES[number], self.outcomes[number])
            self.outcomes[number] = 0
        for bucket, times in self.delays():
            count_up(<dict>get(row, ROW_DELAYS), bucket, times)
        for code, times in (self.codes or {}).items():
            count_up(<dict>get(row, ROW_CODES), code, times)
        self.submitted = self.open_minor = self.buckets_used = 0
        self.more_delays = self.codes = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted since it was flushed."""
        return self.submitted == 0 and self.buckets_used == 0

    def delays(self) -> list[tuple[int, int]]:
        """Bucket and how many answers, in order."""
        cdef int number
        found = [(self.buckets[number], self.times[number]) for number in range(self.buckets_used)]
        found.extend((self.more_delays or {}).items())
        found.sort()
        return found

    cdef int sort_buckets(self) except -1:
        cdef int number, at
        cdef uint8_t bucket
        cdef uint32_t times
        for number in range(1, self.buckets_used):
            bucket, times, at = self.buckets[number], self.times[number], number
            while at > 0 and self.buckets[at - 1] > bucket:
                self.buckets[at], self.times[at] = self.buckets[at - 1], self.times[at - 1]
                at -= 1
            self.buckets[at], self.times[at] = bucket, times
        return 0

    cdef int count_opened(self, int64_t amount) except -1:
        self.submitted += 1
        self.open_minor += counted(amount)
        return 0

    cdef int count_answered(
        self, int outcome, object code, int64_t delay_ms, int64_t amount
    ) except -1:
        cdef int bucket = bucket_of(delay_ms), number
        self.outcomes[outcome] += 1
        self.open_minor -= counted(amount)
        if code is not None:
            if self.codes is None:
                self.codes = {}
            count_up(self.codes, code, 1)
        for number in range(self.buckets_used):
            if self.buckets[number] == bucket:
                self.times[number] += 1
                return 0
        if self.buckets_used < BUCKETS_MAX:
            self.buckets[self.buckets_used] = <uint8_t>bucket
            self.times[self.buckets_used] = 1
            self.buckets_used += 1
            return 0
        if self.more_delays is None:
            self.more_delays = {}
        return count_up(self.more_delays, bucket, 1)


def closed(int64_t second_s, second, gauges) -> tuple[int, bytes] | None:
    """How many rows a second has at its end, and its JSON; the gauges stand there from now on.
    None where it has more rows than are told one by one: everything is in its rows then."""
    cdef Text text
    plain = alone(second)
    if len(plain) + len(second.rows) > ROWS_MAX:
        second.gathered()
        return None
    gauges.settle(second.rows)
    rows = {by_scope(scope): encode_row(trimmed(row)) for scope, row in second.rows.items()}
    text = Text()
    text.put(b'{"second_s":')
    text.put_number(second_s)
    text.put(b',"rows":[')
    for number, key in enumerate(sorted([*rows, *plain])):
        if number:
            text.put(b",")
        row = rows.get(key)
        if row is None:
            write_row(text, <Cell>plain[key], gauges)
        else:
            text.put(row)
    text.put(b"]}")
    return len(rows) + len(plain), text.taken()


cdef dict alone(second):
    """The cells that are all there is of their scope, by what it is sorted by; the counts of the
    others are in the second's rows from here on."""
    cdef Cell cell
    cdef dict rows = second.rows, found = {}
    for face, cell in second.by_face.items():
        if cell.is_empty:
            continue
        cell.begun = begun(cell.scope)
        key = cell.begun[0]
        other = found.pop(key, None)
        if other is not None:  # Its orders are in two currencies.
            second.flush((other.scope, other.currency))
        if cell.scope in rows:
            second.flush(face)
        else:
            found[key] = cell
    return found


cdef tuple begun(tuple scope):
    cdef PyObject* known = PyDict_GetItem(BEGUN, scope)
    if known != NULL:
        return <tuple>known
    if len(BEGUN) >= BEGUN_MAX:
        BEGUN.clear()
    made = BEGUN[scope] = by_scope(scope), encode_row(StatsRow(*scope))[:-1]
    return made


cdef int write_row(Text text, Cell cell, gauges) except -1:
    """The row of a cell that is alone, and what it leaves open."""
    cdef int64_t answered = cell.outcomes[0] + cell.outcomes[1] + cell.outcomes[2]
    cdef int64_t open_orders, overdue_orders, open_minor = 0, overdue_minor = 0
    cdef int number
    cdef bytes beginning = cell.begun[1]
    cdef PyObject* known = PyDict_GetItem(gauges.at, cell.scope)
    gauge = gauges.of(cell.scope) if known == NULL else <object>known
    open_orders = add_to(gauge, ROW_OPEN, cell.submitted - answered)
    overdue_orders = get_number(gauge, ROW_OVERDUE, 0)
    if cell.currency is not None:
        money = money_of(gauge, cell.currency)
        open_minor = add_to(money, OPEN_MINOR, cell.open_minor)
        overdue_minor = get_number(money, OVERDUE_MINOR, 0)
    if not open_orders and not overdue_orders:
        gauges.drop(cell.scope)
    text.put(beginning)
    text.is_first = len(beginning) == 1
    text.put_field(b'"submitted":', cell.submitted)
    for number in range(3):
        text.put_field(<bytes>OUTCOMES[number], cell.outcomes[number])
    text.put_field(b'"open_orders":', open_orders)
    text.put_field(b'"overdue_orders":', overdue_orders)
    if cell.codes is not None:
        text.put_comma()
        text.put(b'"codes":')
        text.put(encode_codes(trimmed_codes(cell.codes)))
    if cell.buckets_used:
        text.put_comma()
        write_delays(text, cell)
    if open_minor or overdue_minor:
        text.put_comma()
        text.put(b'"money":[{"currency":"')
        text.put((<str>cell.currency).encode())
        text.put(b'"')
        text.put_field(b'"open_minor":', open_minor)
        text.put_field(b'"overdue_minor":', overdue_minor)
        text.put(b"}]")
    text.put(b"}")
    return 0


cdef int write_delays(Text text, Cell cell) except -1:
    cdef int number
    text.put(b'"delays":{')
    text.is_first = True
    cell.sort_buckets()
    for number in range(cell.buckets_used if cell.more_delays is None else 0):
        text.put_delay(cell.buckets[number], cell.times[number])
    if cell.more_delays is not None:
        for bucket, times in cell.delays():
            text.put_delay(bucket, times)
    text.put(b"}")
    text.is_first = False
    return 0


cdef object money_of(object row, str currency):
    for money in <list>get(row, ROW_MONEY):
        if <str>get(money, CURRENCY) == currency:
            return money
    return put_money(row, currency)


cdef class Text:
    """Bytes that grow."""
    cdef char* begin
    cdef Py_ssize_t size, room
    cdef bint is_first  # Of the fields of an object: before it stands no comma.

    def __dealloc__(self) -> None:
        PyMem_Free(self.begin)

    cdef int put(self, bytes more) except -1:
        return self.put_chars(PyBytes_AS_STRING(more), len(more))

    cdef int put_chars(self, const char* more, Py_ssize_t size) except -1:
        cdef char* moved
        if self.size + size > self.room:
            moved = <char*>PyMem_Realloc(self.begin, 2 * self.room + size + 256)
            if moved == NULL:
                raise MemoryError
            self.begin, self.room = moved, 2 * self.room + size + 256
        memcpy(self.begin + self.size, more, size)
        self.size += size
        return 0

    cdef int put_number(self, int64_t number) except -1:
        cdef char[20] digits
        cdef int at = 20
        cdef uint64_t rest = <uint64_t>number
        if number < 0:
            rest = 0 - rest
        while True:
            at -= 1
            digits[at] = <char>(48 + rest % 10)
            rest //= 10
            if rest == 0:
                break
        if number < 0:
            at -= 1
            digits[at] = 45
        return self.put_chars(digits + at, 20 - at)

    cdef int put_comma(self) except -1:
        if not self.is_first:
            self.put_chars(b",", 1)
        self.is_first = False
        return 0

    cdef int put_field(self, bytes name, int64_t number) except -1:
        """A count that is 0 is left out."""
        if number == 0:
            return 0
        self.put_comma()
        self.put(name)
        return self.put_number(number)

    cdef int put_delay(self, int64_t bucket, int64_t times) except -1:
        self.put_comma()
        self.put_chars(b'"', 1)
        self.put_number(bucket)
        self.put_chars(b'":', 2)
        return self.put_number(times)

    cdef bytes taken(self):
        return PyBytes_FromStringAndSize(self.begin, self.size)
