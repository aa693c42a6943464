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
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from schemas.events import Return, Submission
from schemas.records import Record
from streams.core.compiled.cells cimport Counter, expect
from streams.core.compiled.shelves cimport KEY_BYTES_MAX, Shelves, number_at
from streams.core.compiled.structs cimport get, get_number, place_of
from streams.core.outcomes import FINAL_OUTCOMES
from streams.core.packing import SENT_AT, SEVERITIES, TEXT_FIELDS, TEXTS_AT
from streams.core.rules import CACHE_MAX
from streams.core.stakes import CARD_AT
from streams.core.timers import BUCKET_BITS

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

cdef extern from *:
    const char* COMPILED_FROM

if sys.byteorder != "little":
    raise ImportError("the packed form is written as this machine does not store numbers")
assert (SENT_AT, CARD_AT, TEXTS_AT) == (11, 41, 48), "the packed form was changed"

SOURCE = COMPILED_FROM.decode()  # So that a test sees that it is of the source beside it.

cdef enum:
    OPEN = 1
    ABSENT = 255
    CARD_BEGINS = 41
    TEXTS_BEGIN = 48
    TEXTS = 7

cdef int64_t NO_BUCKET = -1
cdef int64_t ARRIVAL_END = 2**62  # So that no sum of times goes beyond 64 bits.
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
    cdef object book, timers, rules, others, notes
    cdef dict orders, changed, buckets, terms
    cdef Counter counter
    cdef Terms only_terms
    cdef Shelves shelves
    cdef list bucket
    cdef tuple keys
    cdef int64_t first_bucket, bucket_start, hints

    def __init__(self, book, rules, others) -> None:
        """`others` works the records that are not plain, as they come in between."""
        self.book, self.timers = book, book.timers
        self.rules, self.others = rules, others
        self.orders = book.orders
        self.shelves = Shelves(book.closed)
        self.keys = tuple(place_of(Submission, key) for key in rules.keys)
        self.terms = {}
        self.only_terms = None if self.keys else Terms(rules.default)
        self.bucket_start = NO_BUCKET

    def work(self, entries, notes, int64_t withheld_until_ms) -> None:
        """Work records in their order."""
        cdef int64_t arrival, first_ms = max(withheld_until_ms, 0)
        cdef tuple entry
        self._take_up(notes)
        for entry in entries:
            arrival = entry[0]
            if first_ms <= arrival < ARRIVAL_END and self._work_one(entry, arrival):
                continue
            self._lay_down()
            self.others([entry])
            self._take_up(notes)
        self._lay_down()

    cdef int _take_up(self, notes) except -1:
        self.notes, self.counter = notes, None if notes is None else notes.counter
        self.changed = self.book.changed
        self.buckets, self.first_bucket = self.timers.buckets, self.timers.first[0]
        self.hints, self.bucket_start = 0, NO_BUCKET
        return self.shelves.take_up(self.book.closings)

    cdef int _lay_down(self) except -1:
        self.timers.hints += self.hints
        return self.shelves.lay_down()

    cdef bint _work_one(self, tuple entry, int64_t arrival) except -1:
        event, record = entry[3], entry[4]
        if type(record) is not Record:
            return False
        key = get(record, RECORD_KEY)
        if type(event) is Submission:
            return self._open(key, event, arrival, entry[2])
        if type(event) is Return:
            return self._answer(key, event, arrival, arrival + (arrival != <int64_t>entry[5]))
        return False

    # A fresh order.

    cdef bint _open(self, bytes key, object sent, int64_t arrival, int64_t offset) except -1:
        cdef Terms terms
        cdef int64_t effect_ms, within_ms
        if len(key) > KEY_BYTES_MAX or self.shelves.knows(key):
            return False
        terms = self._terms_of(sent)
        within_ms = terms.within(get(sent, OWN_WITHIN))
        effect_ms = max(get_number(sent, SUBMITTED_AT, 0) + within_ms, arrival)
        packed = pack(sent, terms, within_ms, effect_ms, offset)
        # One look-up, where nearly always it is not known.
        if packed is None or PyDict_SetDefault(self.orders, key, packed) != <PyObject*>packed:
            return False
        PyDict_SetDefault(self.changed, key, False)
        self._remind(key, effect_ms)
        if self.notes is not None:
            self._count_opened(arrival, get_number(sent, AMOUNT, 0), packed)
        return True

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
        if PyBytes_GET_SIZE(packed) < TEXTS_BEGIN:  # Damaged; it is told as the Python does.
            return False
        head = PyBytes_AS_STRING(packed)
        named = get_number(back, ATTEMPT, <uint8_t>head[1])
        if head[0] != OPEN or head[2] or number_at(head + 3) < until or named < <uint8_t>head[1]:
            return False
        if len(key) > KEY_BYTES_MAX:
            return False
        expect(head + CARD_BEGINS)
        del self.orders[key]
        PyDict_SetDefault(self.changed, key, True)
        self.shelves.put(key, <uint8_t>named, <uint8_t>(<object>final), arrival)
        if self.notes is not None:
            self._count_answered(arrival, back, packed, <int>(<object>final))
        return True

    # Counting.

    cdef int _count_opened(self, int64_t arrival, int64_t amount, bytes packed) except -1:
        cdef const char* card = PyBytes_AS_STRING(packed) + CARD_BEGINS
        if self.counter is None:
            self.notes.opened(arrival, amount, packed)
            return 0
        return self.counter.opened(arrival, amount, card, PyBytes_GET_SIZE(packed) - CARD_BEGINS)

    cdef int _count_answered(
        self, int64_t arrival, object back, bytes packed, int outcome
    ) except -1:
        cdef const char* head = PyBytes_AS_STRING(packed)
        if self.counter is None:
            self.notes.answered(arrival, back, packed)
            return 0
        return self.counter.answered(
            arrival,
            arrival - number_at(head + 12),
            number_at(head + 32),
            head + CARD_BEGINS,
            PyBytes_GET_SIZE(packed) - CARD_BEGINS,
            outcome,
            get(back, CODE),
        )


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
