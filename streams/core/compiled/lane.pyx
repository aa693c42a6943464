# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The plain records of a partition, which nearly all are, in C: a fresh order, and its answer.

For these, and for no others, `Lane.work` does what `Tracker.apply` does: a submission of an order
that is not known and was not closed of late, and a final return to an open order of which nothing
but its submission is kept. Any other record it hands back to the tracker, which works them all
where this module is missing. It reads and changes the very dicts and lists of
the book, its closed orders, its timers and the counts of the second that is counted in, as these
lay them out.
"""

import sys

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_SetDefault
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from schemas.events import Return, Submission
from schemas.records import Record
from streams.core import closed as of_closed
from streams.core.compiled.cells cimport Cell, new_cell
from streams.core.compiled.structs cimport get, get_number, place_of
from streams.core.outcomes import FINAL_OUTCOMES
from streams.core.packing import SENT_AT, SEVERITIES, TEXT_FIELDS, TEXTS_AT
from streams.core.rules import CACHE_MAX
from streams.core.stakes import CARD_AT
from streams.core.timers import BUCKET_BITS

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

cdef extern from "blake2b.h":
    const size_t BLOCK_BYTES
    void order_hash(const char* text, size_t length, char* digest) noexcept
    const char* COMPILED_FROM

if sys.byteorder != "little":
    raise ImportError("the packed form is written as this machine does not store numbers")
assert (SENT_AT, CARD_AT, TEXTS_AT) == (11, 41, 48), "the packed form was changed"
assert (of_closed.ENTRY_BYTES, of_closed.HASH_BYTES) == (24, 16), "closed entries were changed"

SOURCE = COMPILED_FROM.decode()  # So that a test sees that it is of the source beside it.

cdef enum:
    OPEN = 1
    ABSENT = 255
    ENTRY_BYTES = 24
    HASH_BYTES = 16
    CARD_BEGINS = 41
    TEXTS_BEGIN = 48
    TEXTS = 7

cdef int64_t SHELF_ENTRIES_MAX = of_closed.SHELF_ENTRIES_MAX
cdef int64_t NO_BUCKET = -1
cdef int TIMER_BITS = BUCKET_BITS
cdef Py_ssize_t TERMS_MAX = CACHE_MAX


cdef Py_ssize_t RECORD_KEY = place_of(Record, "key")
cdef Py_ssize_t SUBMITTED_AT = place_of(Submission, "submitted_at")
cdef Py_ssize_t OWN_WITHIN = place_of(Submission, "return_within_ms")
cdef Py_ssize_t SENT_ATTEMPT = place_of(Submission, "attempt")
cdef Py_ssize_t AMOUNT = place_of(Submission, "amount_minor")
cdef Py_ssize_t[TEXTS] TEXT_PLACES  # The first is the rule's name, which is no field.
for _number, _name in enumerate(TEXT_FIELDS):
    TEXT_PLACES[_number + 1] = place_of(Submission, _name)
cdef Py_ssize_t ATTEMPT = place_of(Return, "attempt")
cdef Py_ssize_t OUTCOME = place_of(Return, "outcome")
cdef Py_ssize_t CODE = place_of(Return, "code")
cdef Py_ssize_t SLIPS = place_of(Return, "slips")
cdef dict FINAL = {outcome: number for number, outcome in enumerate(FINAL_OUTCOMES)}


cdef inline int64_t number_at(const char* place) noexcept:
    cdef int64_t number
    memcpy(&number, place, 8)
    return number


cdef class Terms:
    """What a rule says, ready to be packed."""
    cdef str rule
    cdef uint8_t severity
    cdef int64_t within_ms, min_ms, max_ms

    def __init__(self, rule) -> None:
        self.rule = rule.name
        self.severity = SEVERITIES.index(rule.severity)
        self.within_ms, self.min_ms, self.max_ms = rule.return_within_ms, rule.min_ms, rule.max_ms

    cdef int64_t within(self, object own):
        if own is None:
            return self.within_ms
        return max(self.min_ms, min(<int64_t>own, self.max_ms))


cdef class Lane:
    """The plain records of one tracker."""
    cdef object book, closed, timers, rules, others, notes
    cdef dict orders, changed, buckets, terms, cells, by_face, faces
    cdef Terms only_terms
    cdef list closings, shelves, bucket
    cdef tuple keys
    cdef int64_t first_bucket, bucket_start, hints, now_s, remember_ms, shelf_mask, closed_count
    cdef char[HASH_BYTES] hashed

    def __init__(self, book, rules, others) -> None:
        """`others` works the records that are not plain, as they come in between."""
        self.book, self.closed, self.timers = book, book.closed, book.timers
        self.rules, self.others = rules, others
        self.orders = book.orders
        self.remember_ms = book.closed.remember_ms
        self.keys = tuple(place_of(Submission, key) for key in rules.keys)
        self.terms = {}
        self.only_terms = None if self.keys else Terms(rules.default)
        self.bucket_start = NO_BUCKET

    def work(self, entries, notes, int64_t withheld_until_ms) -> None:
        """Work records in their order."""
        cdef int64_t arrival
        cdef tuple entry
        self._take_up(notes)
        for entry in entries:
            arrival = entry[0]
            if arrival >= max(withheld_until_ms, 0) and self._work_one(entry, arrival):
                continue
            self._lay_down()
            self.others([entry])
            self._take_up(notes)
        self._lay_down()

    cdef int _take_up(self, notes) except -1:
        self.notes = notes
        self.changed, self.closings = self.book.changed, self.book.closings
        self.buckets, self.first_bucket = self.timers.buckets, self.timers.first[0]
        self.hints, self.bucket_start = 0, NO_BUCKET
        self.shelves, self.shelf_mask = self.closed.shelves, self.closed.full_mask
        self.closed_count = self.closed.count
        return self._turn()

    cdef int _lay_down(self) except -1:
        self.timers.hints += self.hints
        self.closed.full_mask, self.closed.count = self.shelf_mask, self.closed_count
        return 0

    cdef int _turn(self) except -1:
        if self.notes is not None:
            self.now_s, self.cells = self.notes.now_s, self.notes.cells
            self.by_face, self.faces = self.notes.by_face, self.notes.faces
        return 0

    cdef bint _work_one(self, tuple entry, int64_t arrival) except -1:
        event, key = entry[3], get(entry[4], RECORD_KEY)
        if type(event) is Submission:
            return self._open(key, event, arrival, entry[2])
        if type(event) is Return:
            return self._answer(key, event, arrival, arrival + (arrival != <int64_t>entry[5]))
        return False

    # A fresh order.

    cdef bint _open(self, bytes key, object sent, int64_t arrival, int64_t offset) except -1:
        cdef Terms terms
        cdef int64_t effect_ms, within_ms
        if PyDict_GetItem(self.orders, key) != NULL or len(key) > <Py_ssize_t>BLOCK_BYTES:
            return False
        order_hash(PyBytes_AS_STRING(key), len(key), self.hashed)
        if self._is_closed():
            return False
        terms = self._terms_of(sent)
        within_ms = terms.within(get(sent, OWN_WITHIN))
        effect_ms = max(get_number(sent, SUBMITTED_AT, 0) + within_ms, arrival)
        packed = pack(sent, terms, within_ms, effect_ms, offset)
        if packed is None:
            return False
        self.orders[key] = packed
        PyDict_SetDefault(self.changed, key, False)
        self._remind(key, effect_ms)
        if self.notes is not None:
            self._count_opened(arrival, get_number(sent, AMOUNT, 0), packed)
        return True

    cdef bint _is_closed(self) except -1:
        cdef bytes shelf = self.shelves[self._shelf()]
        cdef const char* place = PyBytes_AS_STRING(shelf)
        cdef const char* end = place + len(shelf)
        cdef int64_t first = number_at(self.hashed), second = number_at(self.hashed + 8)
        while place < end:
            if number_at(place) == first and number_at(place + 8) == second:
                return True
            place += ENTRY_BYTES
        return False

    cdef Terms _terms_of(self, object sent):
        cdef PyObject* known
        if self.only_terms is not None:
            return self.only_terms
        facts = tuple([get(sent, key) for key in self.keys])
        known = PyDict_GetItem(self.terms, facts)
        if known != NULL:
            return <Terms>known
        if len(self.terms) >= TERMS_MAX:
            self.terms.clear()
        terms = self.terms[facts] = Terms(self.rules.rule_of(sent))
        return terms

    cdef int _remind(self, bytes key, int64_t effect_ms) except -1:
        cdef int64_t start = effect_ms >> TIMER_BITS
        cdef PyObject* bucket
        if start != self.bucket_start:  # Most orders are due soon after the one before.
            bucket = PyDict_GetItem(self.buckets, start)
            if bucket == NULL or start == self.first_bucket:
                self.timers.add(effect_ms, key)
                return 0
            self.bucket, self.bucket_start = <list>bucket, start
        self.bucket.append(key)
        self.hints += 1
        return 0

    # Its answer.

    cdef bint _answer(self, bytes key, object back, int64_t arrival, int64_t until) except -1:
        cdef PyObject* known = PyDict_GetItem(self.orders, key)
        cdef PyObject* final = PyDict_GetItem(FINAL, get(back, OUTCOME))
        cdef const char* head
        cdef int64_t named
        if known == NULL or final == NULL or len(<tuple>get(back, SLIPS)):
            return False
        packed = <bytes>known
        head = PyBytes_AS_STRING(packed)
        named = get_number(back, ATTEMPT, <uint8_t>head[1])
        if head[0] != OPEN or head[2] or number_at(head + 3) < until or named < <uint8_t>head[1]:
            return False
        if len(key) > <Py_ssize_t>BLOCK_BYTES:
            return False
        order_hash(PyBytes_AS_STRING(key), len(key), self.hashed)
        del self.orders[key]
        PyDict_SetDefault(self.changed, key, True)
        self._close(named, <int>(<object>final), arrival)
        if self.notes is not None:
            self._count_answered(arrival, back, packed, <int>(<object>final))
        return True

    cdef int _close(self, uint8_t attempt, uint8_t outcome, int64_t at_ms) except -1:
        cdef char[ENTRY_BYTES] entry
        cdef Py_ssize_t number, expired
        cdef bytes shelf, longer
        memcpy(entry, self.hashed, HASH_BYTES)
        entry[16], entry[17] = attempt, outcome
        memcpy(entry + 18, &at_ms, 6)
        self.closings.append(PyBytes_FromStringAndSize(entry, ENTRY_BYTES))
        number = self._shelf()
        shelf = self.shelves[number]
        expired = self._expired(shelf, at_ms)
        longer = PyBytes_FromStringAndSize(NULL, len(shelf) - expired + ENTRY_BYTES)
        memcpy(PyBytes_AS_STRING(longer), PyBytes_AS_STRING(shelf) + expired, len(shelf) - expired)
        memcpy(PyBytes_AS_STRING(longer) + len(shelf) - expired, entry, ENTRY_BYTES)
        self.shelves[number] = longer
        self.closed_count += 1 - expired // ENTRY_BYTES
        if self.closed_count > len(self.shelves) * SHELF_ENTRIES_MAX:
            self._split_one()
        return 0

    cdef Py_ssize_t _shelf(self) noexcept:
        cdef uint32_t number
        cdef int64_t place
        memcpy(&number, self.hashed, 4)
        place = number & (self.shelf_mask * 2 + 1)
        return place if place < len(self.shelves) else number & self.shelf_mask

    cdef Py_ssize_t _expired(self, bytes shelf, int64_t now_ms) noexcept:
        """How many bytes at the front of a shelf have expired."""
        cdef Py_ssize_t expired = 0
        cdef int64_t closed_at_ms = 0
        while expired < len(shelf):
            memcpy(&closed_at_ms, PyBytes_AS_STRING(shelf) + expired + 18, 6)
            if closed_at_ms + self.remember_ms >= now_ms:
                break
            expired += ENTRY_BYTES
        return expired

    cdef int _split_one(self) except -1:
        """As ClosedOrders does it."""
        cdef int64_t level = self.shelf_mask + 1
        cdef Py_ssize_t number = len(self.shelves) - level, place
        cdef bytes shelf = self.shelves[number]
        cdef Py_ssize_t size = len(shelf)
        cdef bytes high = PyBytes_FromStringAndSize(NULL, size)
        cdef bytes low = PyBytes_FromStringAndSize(NULL, size)
        cdef const char* source = PyBytes_AS_STRING(shelf)
        cdef char* to_high = PyBytes_AS_STRING(high)
        cdef char* to_low = PyBytes_AS_STRING(low)
        cdef uint32_t word
        for place in range(0, size, ENTRY_BYTES):
            memcpy(&word, source + place, 4)
            if word & level:
                memcpy(to_high, source + place, ENTRY_BYTES)
                to_high += ENTRY_BYTES
            else:
                memcpy(to_low, source + place, ENTRY_BYTES)
                to_low += ENTRY_BYTES
        self.shelves[number] = low[: to_low - PyBytes_AS_STRING(low)]
        self.shelves.append(high[: to_high - PyBytes_AS_STRING(high)])
        if len(self.shelves) == level * 2:
            self.shelf_mask = level * 2 - 1
        return 0

    # Counting.

    cdef int _count_opened(self, int64_t arrival, int64_t amount, bytes packed) except -1:
        cdef PyObject* cell = self._cell(arrival, packed)
        if cell != NULL:
            return (<Cell>cell).count_opened(amount)
        self.notes.opened(arrival, amount, packed)
        return self._turn()

    cdef int _count_answered(
        self, int64_t arrival, object back, bytes packed, int outcome
    ) except -1:
        cdef PyObject* cell = self._cell(arrival, packed)
        cdef const char* head = PyBytes_AS_STRING(packed)
        cdef int64_t delay_ms = arrival - number_at(head + 12)
        if cell != NULL:
            return (<Cell>cell).count_answered(
                outcome, get(back, CODE), delay_ms, number_at(head + 32)
            )
        self.notes.answered(arrival, back, packed)
        return self._turn()

    cdef PyObject* _cell(self, int64_t arrival, bytes packed) except? NULL:
        """Where the order is counted; NULL where that is not known yet."""
        cdef bytes card = packed[CARD_BEGINS:]
        cdef PyObject* cell
        cdef PyObject* face
        if arrival // 1000 != self.now_s:
            return NULL
        cell = PyDict_GetItem(self.cells, card)
        if cell != NULL:
            return cell
        face = PyDict_GetItem(self.faces, card)
        if face == NULL:
            return NULL
        cell = PyDict_GetItem(self.by_face, <tuple>face)
        if cell == NULL:
            self.by_face[<tuple>face] = new_cell(<tuple>face)
            cell = PyDict_GetItem(self.by_face, <tuple>face)
        self.cells[card] = <object>cell
        return cell


def hash_of(bytes key) -> bytes:
    """What an order is remembered by, as closed.order_hash; ValueError for more than a block."""
    cdef char[HASH_BYTES] hashed
    if len(key) > <Py_ssize_t>BLOCK_BYTES:
        raise ValueError(f"a key of {len(key)} bytes is more than one block")
    order_hash(PyBytes_AS_STRING(key), len(key), hashed)
    return PyBytes_FromStringAndSize(hashed, HASH_BYTES)


cdef bytes pack(object sent, Terms terms, int64_t within_ms, int64_t effect_ms, int64_t offset):
    """As packing.pack_fresh; None where a text is too long for it."""
    cdef (const char*)[TEXTS] texts
    cdef Py_ssize_t[TEXTS] sizes
    cdef uint8_t[TEXTS] lengths
    cdef Py_ssize_t total = TEXTS_BEGIN
    cdef int number
    cdef char* to
    cdef bytes packed
    cdef int64_t submitted_at = get_number(sent, SUBMITTED_AT, 0)
    cdef int64_t amount = get_number(sent, AMOUNT, 0)
    cdef uint32_t within = <uint32_t>within_ms
    cdef uint8_t attempt = <uint8_t>get_number(sent, SENT_ATTEMPT, 1)
    for number in range(TEXTS):
        text = terms.rule if number == 0 else get(sent, TEXT_PLACES[number])
        sizes[number], lengths[number] = 0, ABSENT
        if text is not None:
            texts[number] = PyUnicode_AsUTF8AndSize(text, &sizes[number])
            if PyUnicode_GET_LENGTH(text) >= ABSENT:
                return None
            lengths[number] = <uint8_t>PyUnicode_GET_LENGTH(text)
            total += sizes[number]
    packed = PyBytes_FromStringAndSize(NULL, total)
    to = PyBytes_AS_STRING(packed)
    to[0], to[1], to[2], to[11], to[40] = OPEN, attempt, 0, attempt, terms.severity
    memcpy(to + 3, &effect_ms, 8)
    memcpy(to + 12, &submitted_at, 8)
    memcpy(to + 20, &within, 4)
    memcpy(to + 24, &offset, 8)
    memcpy(to + 32, &amount, 8)
    memcpy(to + CARD_BEGINS, lengths, TEXTS)
    to += TEXTS_BEGIN
    for number in range(TEXTS):
        if sizes[number]:
            memcpy(to, texts[number], sizes[number])
            to += sizes[number]
    return packed
