# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The plain records of a partition, which nearly all are, in C: a fresh order, and its answer.

For these, and for no others, `Lane.work` does what `Tracker.apply` does: a submission of an order
that is not known and was not closed of late, and a final return to an open order of which nothing
but its submission is kept. Any other record it hands back to the tracker, which works them all
where this module is missing.
"""

import sys

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from streams.core.compiled.blocks cimport Spot
from streams.core.compiled.cells cimport Counter
from streams.core.compiled.sequence cimport Item, Portion
from streams.core.compiled.shelves cimport HASH_BYTES, Shelves, number_at, order_hash
from streams.core.compiled.flat cimport Span
from streams.core.compiled.hints cimport Hints
from streams.core.compiled.orders cimport DIGESTED, Orders, Row, packed_at
from streams.core.compiled.values cimport (
    CODE, CURRENCY, KIND, MERCHANT, PROVIDER, Plain, read_plain, text_of
)
from streams.core.packing import SENT_AT, SEVERITIES, TEXT_FIELDS, TEXTS_AT
from streams.core.rules import CACHE_MAX, MATCH_KEYS
from streams.core.stakes import CARD_AT

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
    AHEAD = 32  # So many records are looked at before the first of them is worked.

cdef int64_t ARRIVAL_END = 2**62  # So that no sum of times goes beyond 64 bits.
cdef Py_ssize_t TERMS_MAX = CACHE_MAX
cdef dict PLACES = {"kind": KIND, "provider": PROVIDER, "merchant": MERCHANT, "currency": CURRENCY}
assert set(PLACES) == set(MATCH_KEYS)


cdef struct Ahead:  # What is known of a record before it is worked.
    Plain plain
    uint32_t hashed
    char[HASH_BYTES] digest  # Of a submission's order.
    Row* row  # Its order's, maybe; only to look ahead by.
    bint is_plain


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
    cdef object book, rules, others
    cdef Orders orders
    cdef Hints hints
    cdef Shelves shelves
    cdef Counter counter
    cdef Terms only_terms
    cdef dict terms
    cdef tuple places
    cdef Ahead[AHEAD] ahead

    def __init__(self, book, rules, others) -> None:
        """`others` works the records that are not plain, as they come in between."""
        self.book, self.orders, self.hints = book, book.orders, book.timers
        self.rules, self.others = rules, others
        self.shelves = Shelves(book.closed)
        self.places = tuple(PLACES[key] for key in rules.keys)
        self.terms = {}
        self.only_terms = None if self.places else Terms(rules.default)

    def work(self, Portion portion, notes, int64_t withheld_until_ms) -> None:
        """Work records in their order."""
        cdef int64_t first_ms = max(withheld_until_ms, 0)
        cdef Py_ssize_t begin, number, end
        cdef Item* item
        self._take_up(notes)
        for begin in range(0, portion.count, AHEAD):
            end = min(begin + AHEAD, portion.count)
            self._look_ahead(portion.items + begin, end - begin)
            for number in range(begin, end):
                item = &portion.items[number]
                if (
                    first_ms <= item.spot.arrival_ms < ARRIVAL_END
                    and self._work_one(item.spot, &self.ahead[number - begin])
                ):
                    continue
                self.shelves.lay_down()
                self.others([portion.entry(number)])
                self._take_up(notes)
        self.shelves.lay_down()

    cdef int _take_up(self, notes) except -1:
        assert notes is None or notes.counter is not None, "counted by Python, worked in C"
        self.counter = None if notes is None else notes.counter
        return self.shelves.take_up(self.book.closings)

    cdef int _look_ahead(self, const Item* items, Py_ssize_t count) noexcept:
        """Read a few records, and have what is kept of their orders on its way into the cache: one
        step for all of them before the next for any, because each waits for the one before."""
        cdef Py_ssize_t number
        cdef Ahead* ahead
        cdef const Spot* record
        for number in range(count):
            ahead = &self.ahead[number]
            ahead.is_plain = read_plain(items[number].spot, &ahead.plain)
            if ahead.is_plain:
                record = items[number].spot
                ahead.hashed = self.orders.ask_index(record.key, record.key_size)
                if record.side == 0:
                    order_hash(record.key, record.key_size, ahead.digest)
                    self.shelves.ask(ahead.digest)
        for number in range(count):
            if self.ahead[number].is_plain:
                self.orders.ask_slot(self.ahead[number].hashed)
                if items[number].spot.side == 0:
                    self.shelves.ask_entries(self.ahead[number].digest)
        for number in range(count):
            ahead = &self.ahead[number]
            ahead.row = self.orders.ask_row(ahead.hashed) if ahead.is_plain else NULL
        for number in range(count):
            if items[number].spot.side == 1 and has_digest(self.ahead[number].row):
                self.shelves.ask(self.ahead[number].row.digest)
        for number in range(count):
            if items[number].spot.side == 1 and has_digest(self.ahead[number].row):
                self.shelves.ask_entries(self.ahead[number].row.digest)
        return 0

    cdef bint _work_one(self, const Spot* record, const Ahead* ahead) except -1:
        if not ahead.is_plain:
            return False
        if record.side == 0:
            return self._open(record, ahead)
        return ahead.plain.outcome < FINAL and self._answer(record, ahead)

    # A fresh order.

    cdef bint _open(self, const Spot* record, const Ahead* ahead) except -1:
        cdef const Plain* sent = &ahead.plain
        cdef Terms terms
        cdef int64_t effect_ms, within_ms
        cdef Py_ssize_t size
        cdef Row* row
        if (
            self.orders.find_hashed(record.key, record.key_size, ahead.hashed) != NULL
            or self.shelves.knows(ahead.digest)
        ):
            return False
        terms = self._terms_of(sent)
        within_ms = terms.within(sent.within_ms)
        effect_ms = max(sent.at_ms + within_ms, record.arrival_ms)
        size = packed_size(sent, terms)
        row = self.orders.add(record.key, record.key_size, size)
        pack(packed_at(row), sent, terms, within_ms)
        memcpy(packed_at(row) + 3, &effect_ms, 8)
        memcpy(packed_at(row) + 24, &record.offset, 8)
        memcpy(row.digest, ahead.digest, HASH_BYTES)
        row.flags = DIGESTED
        self.orders.note_change(row, self.orders.found())
        self.hints.note(effect_ms, self.orders.found())
        if self.counter is not None:
            self.counter.opened(
                record.arrival_ms,
                sent.amount,
                packed_at(row) + CARD_BEGINS,
                size - CARD_BEGINS,
            )
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

    # Its answer.

    cdef bint _answer(self, const Spot* record, const Ahead* ahead) except -1:
        cdef const Plain* back = &ahead.plain
        cdef Row* row = self.orders.find_hashed(record.key, record.key_size, ahead.hashed)
        cdef char[HASH_BYTES] digest
        cdef const char* head
        cdef int64_t named, until
        if row == NULL or row.packed_size < TEXTS_BEGIN:  # Damaged, it is told as the Python does.
            return False
        head = packed_at(row)
        named = back.attempt if back.attempt else <uint8_t>head[1]
        # One behind the frontier is worked as the last before it: what is due is settled.
        until = record.arrival_ms + (record.arrival_ms != record.logged_ms)
        if head[0] != OPEN or head[2] or number_at(head + 3) < until or named < <uint8_t>head[1]:
            return False
        if row.flags & DIGESTED:
            memcpy(digest, row.digest, HASH_BYTES)
        else:
            order_hash(record.key, record.key_size, digest)
        self.shelves.put(digest, <uint8_t>named, <uint8_t>back.outcome, record.arrival_ms)
        if self.counter is not None:
            self._count_answered(record, back, row)
        self.orders.take_away()
        return True

    cdef int _count_answered(self, const Spot* record, const Plain* back, Row* row) except -1:
        cdef const char* head = packed_at(row)
        return self.counter.answered(
            record.arrival_ms,
            record.arrival_ms - number_at(head + 12),
            number_at(head + 32),
            head + CARD_BEGINS,
            row.packed_size - CARD_BEGINS,
            back.outcome,
            text_of(back.texts[CODE]),
        )


cdef inline bint has_digest(const Row* row) noexcept:
    return row != NULL and row.flags & DIGESTED


cdef Py_ssize_t packed_size(const Plain* sent, Terms terms) noexcept:
    cdef Py_ssize_t size = TEXTS_BEGIN + len(terms.packed_rule)
    cdef int number
    for number in range(NAMES):
        size += max(sent.texts[number].size, 0)
    return size


cdef int pack(char* to, const Plain* sent, Terms terms, int64_t within_ms) noexcept:
    """As packing.pack_fresh, but for the effect and the offset, which are the caller's."""
    cdef uint32_t within = <uint32_t>within_ms
    cdef uint8_t attempt = <uint8_t>max(sent.attempt, 1)
    to[0], to[1], to[2], to[11], to[40] = OPEN, attempt, 0, attempt, terms.severity
    memcpy(to + 12, &sent.at_ms, 8)
    memcpy(to + 20, &within, 4)
    memcpy(to + 32, &sent.amount, 8)
    return write_texts(to + CARD_BEGINS, sent, terms)


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
