# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""RFC 3339 times, where they lie: as schemas.times reads them, but for leap seconds, which it does
alone."""

from libc.stdint cimport int32_t, int64_t

cdef enum:
    OFFSET_SIZE = 6  # +01:00
    FRACTION_AT = 19
    DAYS_TO_1970 = 719_468  # From March 1st of the year 0.

cdef int[13] MONTH_DAYS
MONTH_DAYS = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


cdef bint read_moment(const Span* text, int64_t* at_ms) noexcept:
    """Whether it is such a time; it stands in ms since 1970 UTC in `at_ms` then."""
    cdef int64_t day, second, offset_s = 0
    cdef int32_t at = FRACTION_AT
    cdef int ms = 0
    if text.size <= FRACTION_AT or not is_laid_out(text.begin):
        return False
    day = day_of(text.begin)
    second = second_of(text.begin + 11, 3)
    if text.begin[at] == b".":
        at = fraction_of(text, &ms)
    if day < 0 or second < 0 or at < 0 or not read_offset(text, at, &offset_s):
        return False
    at_ms[0] = ((day - DAYS_TO_1970) * 86_400 + second - offset_s) * 1_000 + ms
    return True


cdef bint is_laid_out(const char* at) noexcept:
    return (
        at[4] == b"-" and at[7] == b"-" and at[10] == b"T" and at[13] == b":" and at[16] == b":"
    )


cdef int digits_of(const char* at, int size) noexcept:
    """The number that so many digits are; far below 0 if one is none."""
    cdef int found = 0, number
    for number in range(size):
        if not 48 <= at[number] <= 57:
            return -100_000_000
        found = found * 10 + at[number] - 48
    return found


cdef int64_t day_of(const char* at) noexcept:
    """The number of a date, from March 1st of the year 0 on; -1 for what is none. A year from March
    on has its leap day at its end, and months of 153 days in five."""
    cdef int year = digits_of(at, 4), month = digits_of(at + 5, 2), day = digits_of(at + 8, 2)
    cdef bint is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if year < 1 or not 1 <= month <= 12:
        return -1
    if not 1 <= day <= MONTH_DAYS[month] + (month == 2 and is_leap):
        return -1
    if month < 3:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 1


cdef int64_t second_of(const char* at, int parts) noexcept:
    """The second of a day that is written as hour, minute and maybe second; -1 for what is none."""
    cdef int hour = digits_of(at, 2), minute = digits_of(at + 3, 2)
    cdef int second = digits_of(at + 6, 2) if parts == 3 else 0
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return -1
    return hour * 3_600 + minute * 60 + second


cdef int32_t fraction_of(const Span* text, int* ms) noexcept:
    """Where a fraction ends, -1 if it has no digits; what is finer than a ms is cut off."""
    cdef int32_t at = FRACTION_AT + 1
    cdef int worth = 100
    while at < text.size and 48 <= text.begin[at] <= 57:
        ms[0] += (text.begin[at] - 48) * worth
        worth //= 10
        at += 1
    return at if at > FRACTION_AT + 1 else -1


cdef bint read_offset(const Span* text, int32_t at, int64_t* offset_s) noexcept:
    """Whether the text ends with an offset to UTC."""
    cdef const char* begin = text.begin + at
    if text.size == at + 1:
        return begin[0] == b"Z"
    if text.size != at + OFFSET_SIZE or begin[3] != b":" or begin[0] not in (b"+", b"-"):
        return False
    offset_s[0] = second_of(begin + 1, 2)
    if offset_s[0] < 0:
        return False
    if begin[0] == b"-":
        offset_s[0] = -offset_s[0]
    return True
