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
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from streams.core.compiled.blocks cimport Block, Spot
from streams.core.compiled.cells cimport Counter
from streams.core.compiled.sequence cimport Portion
from streams.core.compiled.shelves cimport KEY_BYTES_MAX, Shelves, number_at
from streams.core.compiled.flat cimport Span
from streams.core.compiled.values cimport (
    CODE, CURRENCY, KIND, MERCHANT, PLAYER, PROVIDER, Plain, read_plain, text_of
)
from streams.core.packing import SENT_AT, SEVERITIES, TEXT_FIELDS, TEXTS_AT
from streams.core.rules import CACHE_MAX
from streams.core.stakes import CARD_AT
from streams.core.timers import BUCKET_BITS

cdef extern from *:
    const char* COMPILED_FROM

if sys.byteorder != "little":
    raise ImportError("the packed form is written as this machine does not store numbers")
assert (SENT_AT, CARD_AT, TEXTS_AT) == (11, 41, 48), "the packed form was changed"
assert TEXT_FIELDS == ("kind", "provider", "merchant", "player", "currency", "traceparent")

SOURCE = COMPILED_FROM.decode()  # So that a test sees that it is of the source beside it.

cdef enum:
    OPEN = 1
    ABSENT = 255
    FINAL = 3  # So many outcomes are.
    CARD_BEGINS = 41
    TEXTS_BEGIN = 48
    NAMES = 6  # Of a record that are packed, after its rule's.

cdef int64_t NO_BUCKET = -1
cdef int64_t ARRIVAL_END = 2**62  # So that no sum of times goes beyond 64 bits.
cdef int TIMER_BITS = BUCKET_BITS
cdef Py_ssize_t TERMS_MAX = CACHE_MAX
cdef dict PLACES = {"kind": KIND, "provider": PROVIDER, "merchant": MERCHANT, "player": PLAYER, "currency": CURRENCY}


cdef class Terms:
    """What a rule says, ready to be packed."""
    cdef bytes packed_rule
    cdef uint8_t severity, rule_length
    cdef int64_t within_ms, min_ms, max_ms

    def __init__(self, rule) -> None:
        self.packed_rule, self.rule_length = rule.name.encode(), len(rule.name)
        self.severity = SEVERITIES.index(rule.severity)
        self.within_ms, self.min_ms, self.max_ms = rule.return_within_ms, rule.min_ms, rule.max_ms

    cdef int64_t within(self, int64_t own_ms) noexcept:
        """`own_ms`: what the order asks for; 0 if it does not."""
        if own_ms == 0:
            return self.within_ms
        return max(self.min_ms, min(own_ms, self.max_ms))


cdef class Lane:
    """The plain records of one tracker."""
    cdef object book, timers, rules, others
    cdef dict orders, changed, buckets, terms
    cdef Counter counter
    cdef Terms only_terms
    cdef Shelves shelves
    cdef list bucket
    cdef tuple places
    cdef int64_t first_bucket, bucket_start, hints

    def __init__(self, book, rules, others) -> None:
        """`others` works the records that are not plain, as they come in between."""
        self.book, self.timers = book, book.timers
        self.rules, self.others = rules, others
        self.orders = book.orders
        self.shelves = Shelves(book.closed)
        self.places = tuple(PLACES[key] for key in rules.keys)
        self.terms = {}
        self.only_terms = None if self.places else Terms(rules.default)
        self.bucket_start = NO_BUCKET

    def work(self, Portion portion, notes, int64_t withheld_until_ms) -> None:
        """Work records in their order."""
        cdef int64_t first_ms = max(withheld_until_ms, 0)
        cdef Py_ssize_t number
        cdef Spot* record
        self._take_up(notes)
        for number in range(portion.count):
            record = portion.items[number].spot
            if (
                first_ms <= record.arrival_ms < ARRIVAL_END
                and (<Block>portion.items[number].block).events is None
                and self._work_one(record)
            ):
                continue
            self._lay_down()
            self.others([portion.entry(number)])
            self._take_up(notes)
        self._lay_down()

    cdef int _take_up(self, notes) except -1:
        assert notes is None or notes.counter is not None, "counted by Python, worked in C"
        self.counter = None if notes is None else notes.counter
        self.changed = self.book.changed
        self.buckets, self.first_bucket = self.timers.buckets, self.timers.first[0]
        self.hints, self.bucket_start = 0, NO_BUCKET
        return self.shelves.take_up(self.book.closings)

    cdef int _lay_down(self) except -1:
        self.timers.hints += self.hints
        return self.shelves.lay_down()

    cdef bint _work_one(self, const Spot* record) except -1:
        cdef Plain plain
        if not read_plain(record, &plain):
            return False
        key = PyBytes_FromStringAndSize(record.key, record.key_size)
        if record.side == 0:
            return self._open(key, record, &plain)
        return plain.outcome < FINAL and self._answer(key, record, &plain)

    # A fresh order.

    cdef bint _open(self, bytes key, const Spot* record, Plain* sent) except -1:
        cdef Terms terms
        cdef int64_t effect_ms, within_ms
        if self.shelves.knows(key):
            return False
        terms = self._terms_of(sent)
        within_ms = terms.within(sent.within_ms)
        effect_ms = max(sent.at_ms + within_ms, record.arrival_ms)
        packed = pack(sent, terms, within_ms, effect_ms, record.offset)
        # One look-up, where nearly always it is not known.
        if PyDict_SetDefault(self.orders, key, packed) != <PyObject*>packed:
            return False
        PyDict_SetDefault(self.changed, key, False)
        self._remind(key, effect_ms)
        if self.counter is not None:
            self._count_opened(record.arrival_ms, sent.amount, packed)
        return True

    cdef Terms _terms_of(self, const Plain* sent):
        cdef PyObject* known
        cdef bytes facts
        if self.only_terms is not None:
            return self.only_terms
        facts = b"\0".join([told_apart(sent.texts[<int>place]) for place in self.places])
        known = PyDict_GetItem(self.terms, facts)
        if known != NULL:
            return <Terms>known
        if len(self.terms) >= TERMS_MAX:
            self.terms.clear()
        terms = self.terms[facts] = Terms(self.rules.resolve(facts_of(sent)))
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

    cdef bint _answer(self, bytes key, const Spot* record, const Plain* back) except -1:
        cdef PyObject* known = PyDict_GetItem(self.orders, key)
        cdef const char* head
        cdef int64_t named, until
        if known == NULL:
            return False
        packed = <bytes>known
        if PyBytes_GET_SIZE(packed) < TEXTS_BEGIN:  # Damaged; it is told as the Python does.
            return False
        head = PyBytes_AS_STRING(packed)
        named = back.attempt if back.attempt else <uint8_t>head[1]
        # One behind the frontier is worked as the last before it: what is due is settled.
        until = record.arrival_ms + (record.arrival_ms != record.logged_ms)
        if head[0] != OPEN or head[2] or number_at(head + 3) < until or named < <uint8_t>head[1]:
            return False
        del self.orders[key]
        PyDict_SetDefault(self.changed, key, True)
        self.shelves.put(key, <uint8_t>named, <uint8_t>back.outcome, record.arrival_ms)
        if self.counter is not None:
            self._count_answered(record, back, packed)
        return True

    # Counting.

    cdef int _count_opened(self, int64_t arrival, int64_t amount, bytes packed) except -1:
        cdef const char* card = PyBytes_AS_STRING(packed) + CARD_BEGINS
        return self.counter.opened(arrival, amount, card, PyBytes_GET_SIZE(packed) - CARD_BEGINS)

    cdef int _count_answered(self, const Spot* record, const Plain* back, bytes packed) except -1:
        cdef const char* head = PyBytes_AS_STRING(packed)
        return self.counter.answered(
            record.arrival_ms,
            record.arrival_ms - number_at(head + 12),
            number_at(head + 32),
            head + CARD_BEGINS,
            PyBytes_GET_SIZE(packed) - CARD_BEGINS,
            back.outcome,
            text_of(back.texts[CODE]),
        )


cdef bytes pack(
    const Plain* sent, Terms terms, int64_t within_ms, int64_t effect_ms, int64_t offset
):
    """As packing.pack_fresh."""
    cdef Py_ssize_t rule_size = len(terms.packed_rule), size = TEXTS_BEGIN + rule_size
    cdef int number
    cdef char* to
    cdef bytes packed
    cdef uint32_t within = <uint32_t>within_ms
    cdef uint8_t attempt = <uint8_t>max(sent.attempt, 1)
    for number in range(NAMES):
        size += max(sent.texts[number].size, 0)
    packed = PyBytes_FromStringAndSize(NULL, size)
    to = PyBytes_AS_STRING(packed)
    to[0], to[1], to[2], to[11], to[40] = OPEN, attempt, 0, attempt, terms.severity
    memcpy(to + 3, &effect_ms, 8)
    memcpy(to + 12, &sent.at_ms, 8)
    memcpy(to + 20, &within, 4)
    memcpy(to + 24, &offset, 8)
    memcpy(to + 32, &sent.amount, 8)
    write_texts(to + CARD_BEGINS, sent, terms)
    return packed


cdef int write_texts(char* lengths, const Plain* sent, Terms terms) noexcept:
    """All texts, the rule's name first; before them stand their lengths in code points."""
    cdef char* to = lengths + TEXTS_BEGIN - CARD_BEGINS
    cdef int32_t size
    cdef int number
    lengths[0] = terms.rule_length
    memcpy(to, PyBytes_AS_STRING(terms.packed_rule), len(terms.packed_rule))
    to += len(terms.packed_rule)
    for number in range(NAMES):
        size = sent.texts[number].size
        lengths[1 + number] = <char>(size if size >= 0 else ABSENT)
        if size > 0:
            memcpy(to, sent.texts[number].begin, size)
            to += size
    return 0


cdef dict facts_of(const Plain* sent):
    return {name: text_of(sent.texts[<int>place]) for name, place in PLACES.items()}


cdef bytes told_apart(Span span):
    """An absent text from an empty one."""
    return b"-" if span.size < 0 else b"=" + span.begin[: span.size]
