# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Values of plain records, read where they lie: no object is made of them.

A value is plain if it is a flat JSON object of texts without escapes, whole numbers, true, false
and null, all in ASCII, and right in every field. What is not plain, or an event in structured mode,
is the codec's to read, which is the authority for everything; of what is plain both read the same.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

from schemas import fields
from schemas.records import RETURNED
from schemas.times import DAY_MS, EARLIEST_MS as FIRST_MS
from streams.core.compiled.blocks cimport Block, Text as BlockText, headers_begin, read_varint
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

cdef enum:
    DIGITS_MAX = 18  # More may be more than 64 bits hold.

cdef enum:  # The fields of both sides, those that are texts as above.
    ORDER_ID = TEXTS
    SUBMITTED_AT
    RETURNED_AT
    OUTCOME
    WITHIN
    ATTEMPT
    AMOUNT
    UNKNOWN
    NULLS = 16  # So many bits further on stands which of the fields were null.

cdef enum:
    OF_BOTH = 1 << PROVIDER | 1 << CURRENCY | 1 << ORDER_ID | 1 << ATTEMPT | 1 << AMOUNT
    OF_SENT = OF_BOTH | 1 << KIND | 1 << MERCHANT | 1 << PLAYER | 1 << SUBMITTED_AT | 1 << WITHIN
    OF_BACK = OF_BOTH | 1 << CODE | 1 << MESSAGE | 1 << RETURNED_AT | 1 << OUTCOME
    MUST_SENT = 1 << ORDER_ID | 1 << SUBMITTED_AT
    MUST_BACK = 1 << ORDER_ID | 1 << RETURNED_AT | 1 << OUTCOME

cdef const char* ZEROS = b"00000000000000000000000000000000"

cdef enum Sort:
    NULL_VALUE
    TEXT
    NUMBER
    TRUTH


cdef struct Text:
    const char* at
    const char* end


cdef struct Field:
    Span name
    Sort sort
    Span text
    int64_t number


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
    more = begins(record, &text)
    while more == 1:
        if not read_field(&text, &field) or not note(record, &field, plain, known, &seen):
            return False
        more = goes_on(&text)
    seen &= ~(seen >> NULLS)
    if record.has_headers and not note_headers(record, plain):
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
    return field.sort == NUMBER and note_number(record, which, field.number, plain)


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
    """By length first, so that nearly always one comparison does."""
    cdef const char* at = name.begin
    if name.size == 8:
        if memcmp(at, b"order_id", 8) == 0:
            return ORDER_ID
        if memcmp(at, b"provider", 8) == 0:
            return PROVIDER
        if memcmp(at, b"merchant", 8) == 0:
            return MERCHANT
        return CURRENCY if memcmp(at, b"currency", 8) == 0 else UNKNOWN
    if name.size == 12:
        if memcmp(at, b"submitted_at", 12) == 0:
            return SUBMITTED_AT
        return AMOUNT if memcmp(at, b"amount_minor", 12) == 0 else UNKNOWN
    if name.size == 7:
        if memcmp(at, b"outcome", 7) == 0:
            return OUTCOME
        if memcmp(at, b"attempt", 7) == 0:
            return ATTEMPT
        return MESSAGE if memcmp(at, b"message", 7) == 0 else UNKNOWN
    if name.size == 4:
        if memcmp(at, b"kind", 4) == 0:
            return KIND
        return CODE if memcmp(at, b"code", 4) == 0 else UNKNOWN
    if name.size == 11:
        return RETURNED_AT if memcmp(at, b"returned_at", 11) == 0 else UNKNOWN
    if name.size == 6:
        return PLAYER if memcmp(at, b"player", 6) == 0 else UNKNOWN
    if name.size == 16:
        return WITHIN if memcmp(at, b"return_within_ms", 16) == 0 else UNKNOWN
    return UNKNOWN


cdef inline bint is_text(const Field* field, int32_t size_max) noexcept:
    return field.sort == TEXT and field.text.size <= size_max


cdef inline bint is_key(const Spot* record, const Span* text) noexcept:
    return (
        text.size > 0
        and text.size == record.key_size
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
    if text.size == 8:
        if memcmp(text.begin, b"accepted", 8) == 0:
            return 0
        return 1 if memcmp(text.begin, b"rejected", 8) == 0 else -1
    if text.size == 9:
        return 2 if memcmp(text.begin, b"cancelled", 9) == 0 else -1
    if text.size == 7:
        return 3 if memcmp(text.begin, b"pending", 7) == 0 else -1
    if text.size == 5:
        return 4 if memcmp(text.begin, b"error", 5) == 0 else -1
    return -1


# Headers, as schemas.cloudevents reads them.

cdef bint note_headers(const Spot* record, Plain* plain) noexcept:
    """Whether the value is the data; of two headers with the same name the last counts."""
    cdef BlockText text
    cdef Span name, value, trace, ce_trace
    cdef int64_t number
    if record.is_lent:  # Its headers are not where its value is.
        return False
    trace.size = ce_trace.size = -1
    text = headers_begin(record)
    for number in range(read_varint(&text)):
        read_span(&text, &name)
        read_span(&text, &value)
        if is_called(&name, b"content-type", 12) and not is_json(&value):
            return False  # It may be structured.
        if is_called(&name, b"traceparent", 11):
            trace = valid_trace(value)
        elif is_called(&name, b"ce_traceparent", 14):
            ce_trace = valid_trace(value)
    plain.texts[TRACEPARENT] = trace if trace.size >= 0 else ce_trace
    return True


cdef int read_span(BlockText* text, Span* span) noexcept:
    span.size = <int32_t>read_varint(text)
    span.begin = <const char*>text.at
    text.at += max(span.size, 0)
    return 0


cdef bint is_called(const Span* name, const char* wanted, int32_t size) noexcept:
    """Whatever the case of its letters."""
    cdef int32_t at
    if name.size != size:
        return False
    for at in range(size):
        if name.begin[at] != wanted[at] and not (
            97 <= wanted[at] <= 122 and name.begin[at] == wanted[at] - 32
        ):
            return False
    return True


cdef bint is_json(const Span* value) noexcept:
    """As nearly everybody writes it."""
    return value.size == 16 and memcmp(value.begin, b"application/json", 16) == 0


cdef Span valid_trace(Span value) noexcept:
    """A traceparent of W3C's version 00 to fe, with ids that are not zero; else absent."""
    cdef int32_t at
    cdef char byte
    cdef bint is_right = value.size == 55
    for at in range(55 if is_right else 0):
        byte = value.begin[at]
        if at in (2, 35, 52):
            is_right = is_right and byte == b"-"
        else:
            is_right = is_right and (48 <= byte <= 57 or 97 <= byte <= 102)
    if (
        not is_right
        or memcmp(value.begin, b"ff", 2) == 0
        or memcmp(value.begin + 3, ZEROS, 32) == 0
        or memcmp(value.begin + 36, ZEROS, 16) == 0
    ):
        value.size = -1
    return value


# JSON.

cdef inline void skip_space(Text* text) noexcept:
    while text.at < text.end and text.at[0] in (9, 10, 13, 32):
        text.at += 1


cdef inline bint take(Text* text, char wanted) noexcept:
    """Whether this comes next, after space; it is passed then."""
    skip_space(text)
    if text.at >= text.end or text.at[0] != wanted:
        return False
    text.at += 1
    return True


cdef int begins(const Spot* record, Text* text) noexcept:
    """1 if a field comes next, 0 at the end of an object, -1 where it is not plain."""
    if record.value_size < 0 or record.key_size < 0:
        return -1
    text.at, text.end = record.value, record.value + record.value_size
    if not take(text, b"{"):
        return -1
    return ends(text) if take(text, b"}") else 1


cdef int goes_on(Text* text) noexcept:
    """The same, after a field."""
    if take(text, b","):
        return 1
    return ends(text) if take(text, b"}") else -1


cdef int ends(Text* text) noexcept:
    skip_space(text)
    return 0 if text.at == text.end else -1


cdef bint read_field(Text* text, Field* field) noexcept:
    if not read_text(text, &field.name) or not take(text, b":"):
        return False
    skip_space(text)
    if text.at >= text.end:
        return False
    if text.at[0] == b'"':
        field.sort = TEXT
        return read_text(text, &field.text)
    if text.at[0] == b"n":
        field.sort = NULL_VALUE
        return take_word(text, b"null", 4)
    if text.at[0] == b"t":
        field.sort = TRUTH
        return take_word(text, b"true", 4)
    if text.at[0] == b"f":
        field.sort = TRUTH
        return take_word(text, b"false", 5)
    field.sort = NUMBER
    return read_number(text, &field.number)


cdef bint take_word(Text* text, const char* word, int size) noexcept:
    if text.end - text.at < size or memcmp(text.at, word, size) != 0:
        return False
    text.at += size
    return True


cdef bint read_text(Text* text, Span* span) noexcept:
    """A text of ASCII without escapes and controls."""
    cdef const char* at
    cdef uint64_t word, special
    cdef uint8_t byte
    if not take(text, b'"'):
        return False
    at = span.begin = text.at
    while text.end - at >= 8:
        memcpy(&word, at, 8)
        # The high bit of a byte is set where it is beyond ASCII, a control, a quote or a backslash;
        # after the first such byte it may be set wrongly, so the rest is looked at byte by byte.
        special = (
            word
            | (word - <uint64_t>0x2020202020202020)
            | ((word ^ <uint64_t>0x2222222222222222) - <uint64_t>0x0101010101010101)
            | ((word ^ <uint64_t>0x5C5C5C5C5C5C5C5C) - <uint64_t>0x0101010101010101)
        ) & <uint64_t>0x8080808080808080
        if special:
            break
        at += 8
    while at < text.end and at[0] != b'"':
        byte = <uint8_t>at[0]
        if byte < 32 or byte > 127 or byte == 92:
            return False
        at += 1
    if at >= text.end:
        return False
    span.size = <int32_t>(at - span.begin)
    text.at = at + 1
    return True


cdef bint read_number(Text* text, int64_t* number) noexcept:
    """A whole number of so many digits, without a leading zero, an exponent or a fraction."""
    cdef bint is_negative = text.at[0] == b"-"
    cdef const char* first
    cdef int64_t found = 0
    text.at += is_negative
    first = text.at
    while text.at < text.end and 48 <= text.at[0] <= 57:
        if text.at - first >= DIGITS_MAX:
            return False
        found = found * 10 + (text.at[0] - 48)
        text.at += 1
    if text.at == first or (first[0] == 48 and (is_negative or text.at - first > 1)):
        return False
    if text.at < text.end and text.at[0] in (46, 69, 101):  # Such as 1.0, 1E3 or 1e3.
        return False
    number[0] = -found if is_negative else found
    return True


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
