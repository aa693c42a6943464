# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Values of plain records, read where they lie: no object is made of them.

A value is plain if it is a flat JSON object of texts without escapes, whole numbers, true, false
and null, all in ASCII, and right in every field. What is not plain, or an event in structured mode,
is the codec's to read, which is the authority for everything; of what is plain both read the same.
"""

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcmp

from schemas import fields
from schemas.records import RETURNED
from schemas.times import DAY_MS, EARLIEST_MS as FIRST_MS
from streams.core.compiled.blocks cimport Block
from streams.core.compiled.envelope cimport is_data
from streams.core.compiled.flat cimport (
    NULL_VALUE, NUMBER, TEXT, Field, Text, begins, goes_on, read_field
)
from streams.core.compiled.moment cimport read_moment
from streams.core.outcomes import FINAL_OUTCOMES, INTERIM_OUTCOMES

OUTCOMES = (*FINAL_OUTCOMES, *INTERIM_OUTCOMES)
assert OUTCOMES == ("accepted", "rejected", "cancelled", "pending", "error")

cdef int64_t EARLIEST_MS = FIRST_MS
cdef int64_t AHEAD_MAX_MS = DAY_MS
cdef int64_t WITHIN_MAX_MS = fields.RETURN_WITHIN_MAX_MS
cdef int64_t ATTEMPT_MAX = fields.ATTEMPT_MAX
cdef int32_t ORDER_ID_MAX = fields.ORDER_ID_MAX
cdef int32_t[TEXTS] TEXT_MAX
TEXT_MAX = [fields.NAME_MAX] * 4 + [3, 0, fields.CODE_MAX, fields.MESSAGE_MAX]

cdef enum:  # The fields of both sides, those that are texts as above.
    ORDER_ID = TEXTS
    SUBMITTED_AT
    RETURNED_AT
    OUTCOME
    WITHIN
    ATTEMPT
    AMOUNT
    UNKNOWN
    OUTCOMES_NUMBER = 5
    NULLS = 16  # So many bits further on stands which of the fields were null.

cdef enum:
    OF_BOTH = 1 << PROVIDER | 1 << CURRENCY | 1 << ORDER_ID | 1 << ATTEMPT | 1 << AMOUNT
    OF_SENT = OF_BOTH | 1 << KIND | 1 << MERCHANT | 1 << PLAYER | 1 << SUBMITTED_AT | 1 << WITHIN
    OF_BACK = OF_BOTH | 1 << CODE | 1 << MESSAGE | 1 << RETURNED_AT | 1 << OUTCOME
    MUST_SENT = 1 << ORDER_ID | 1 << SUBMITTED_AT
    MUST_BACK = 1 << ORDER_ID | 1 << RETURNED_AT | 1 << OUTCOME

# Named here, so that the texts stay where they are.
FIELDS = (
    *(b"kind", b"provider", b"merchant", b"player", b"currency", b"", b"code", b"message"),
    *(b"order_id", b"submitted_at", b"returned_at", b"outcome", b"return_within_ms", b"attempt"),
    b"amount_minor",
)
OUTCOME_TEXTS = tuple(outcome.encode() for outcome in OUTCOMES)
cdef Span[UNKNOWN] NAMES
cdef Span[OUTCOMES_NUMBER] OUTCOME_NAMES


cdef int point_to(Span* spans, tuple texts) except -1:
    for number, text in enumerate(texts):
        spans[number].begin, spans[number].size = PyBytes_AS_STRING(text), <int32_t>len(text)
    return 0


assert (len(FIELDS), len(OUTCOMES)) == (UNKNOWN, OUTCOMES_NUMBER)
point_to(NAMES, FIELDS)
point_to(OUTCOME_NAMES, OUTCOME_TEXTS)


cdef bint read_plain(const Spot* record, Plain* plain) noexcept:
    """Whether a record is plain; what its side's fields say stands in `plain` then."""
    cdef bint is_back = record.side == 1
    cdef int known = OF_BACK if is_back else OF_SENT, must = MUST_BACK if is_back else MUST_SENT
    cdef int seen = 0, more, number
    cdef Text text
    cdef Field field
    plain.within_ms = plain.amount = plain.attempt = 0
    for number in range(TEXTS):
        plain.texts[number].size = -1
    more = begins(&text, record.value, record.value_size)
    while more == 1:
        if not read_field(&text, &field) or not note(record, &field, plain, known, &seen):
            return False
        more = goes_on(&text)
    seen &= ~(seen >> NULLS)
    if record.has_headers and not is_data(record, &plain.texts[TRACEPARENT]):
        return False
    return more == 0 and seen & must == must and (seen >> AMOUNT & 1) == (seen >> CURRENCY & 1)


cdef bint note(const Spot* record, const Field* field, Plain* plain, int known, int* seen) noexcept:
    """Whether a field is right; what is not known may be anything."""
    cdef int which = which_of(&field.name)
    if not known >> which & 1:
        return True
    if seen[0] >> which & 1:  # Of a field that stands there twice the codec says which counts.
        return False
    seen[0] |= 1 << which
    if field.sort == NULL_VALUE:
        seen[0] |= 1 << which + NULLS
        return True
    if which < TEXTS:
        plain.texts[which] = field.text
        return is_text(field, TEXT_MAX[which]) and (which != CURRENCY or is_currency(&field.text))
    if which == ORDER_ID:
        return is_text(field, ORDER_ID_MAX) and is_key(record, &field.text)
    if which == OUTCOME:
        plain.outcome = outcome_of(&field.text) if field.sort == TEXT else -1
        return plain.outcome >= 0
    if field.sort == TEXT:
        return which in (SUBMITTED_AT, RETURNED_AT) and note_text_moment(record, field, plain)
    return field.sort == NUMBER and note_number(record, which, field.number, plain)


cdef bint note_text_moment(const Spot* record, const Field* field, Plain* plain) noexcept:
    cdef int64_t at_ms
    return read_moment(&field.text, &at_ms) and note_number(record, SUBMITTED_AT, at_ms, plain)


cdef bint note_number(const Spot* record, int which, int64_t number, Plain* plain) noexcept:
    if which == AMOUNT:
        plain.amount = number
        return True
    if which == ATTEMPT:
        plain.attempt = <int>number
        return 1 <= number <= ATTEMPT_MAX
    if which == WITHIN:
        plain.within_ms = number
        return 1 <= number <= WITHIN_MAX_MS
    plain.at_ms = number
    return number >= EARLIEST_MS and number - AHEAD_MAX_MS <= record.timestamp_ms


cdef int which_of(const Span* name) noexcept:
    cdef int number
    for number in range(UNKNOWN):
        if is_it(name, &NAMES[number]):
            return number
    return UNKNOWN


cdef inline bint is_it(const Span* text, const Span* wanted) noexcept:
    return text.size == wanted.size and memcmp(text.begin, wanted.begin, text.size) == 0


cdef inline bint is_text(const Field* field, int32_t size_max) noexcept:
    return field.sort == TEXT and field.text.size <= size_max


cdef inline bint is_key(const Spot* record, const Span* text) noexcept:
    return (
        text.size > 0
        and text.size == record.key_size  # Which is -1 where there is none.
        and memcmp(text.begin, record.key, text.size) == 0
    )


cdef inline bint is_currency(const Span* text) noexcept:
    """Three capitals; that it is no longer was seen before."""
    cdef int at
    for at in range(3):
        if text.size != 3 or not 65 <= text.begin[at] <= 90:
            return False
    return True


cdef int outcome_of(const Span* text) noexcept:
    """Its number in OUTCOMES; -1 for another."""
    cdef int number
    for number in range(OUTCOMES_NUMBER):
        if is_it(text, &OUTCOME_NAMES[number]):
            return number
    return -1


def plain_of(Block block, side) -> dict | None:
    """The fields of a plain record of this side, the first of the block, but its order's id, as the
    codec names them; None of any other record."""
    cdef Plain plain
    cdef dict found
    block.spots.side = side
    if not read_plain(block.spots, &plain):
        return None
    amount = plain.amount if plain.texts[CURRENCY].size >= 0 else None
    found = {"attempt": plain.attempt or None, "amount_minor": amount}
    found.update(provider=text_of(plain.texts[PROVIDER]), currency=text_of(plain.texts[CURRENCY]))
    if side == RETURNED:
        found.update(returned_at=plain.at_ms, outcome=OUTCOMES[plain.outcome])
        found.update(code=text_of(plain.texts[CODE]), message=text_of(plain.texts[MESSAGE]))
        return found
    found.update(submitted_at=plain.at_ms, return_within_ms=plain.within_ms or None)
    found.update(kind=text_of(plain.texts[KIND]), merchant=text_of(plain.texts[MERCHANT]))
    found.update(player=text_of(plain.texts[PLAYER]))
    found.update(traceparent=text_of(plain.texts[TRACEPARENT]))
    return found


cdef object text_of(Span span):
    return None if span.size < 0 else span.begin[: span.size].decode()
