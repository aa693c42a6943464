"""The rare parts of a row of counts: dead letters, order ids, and what is cut where it is too long.

What is kept of many does not hang on the order they came in.
"""

import re
from typing import Final

from schemas.fields import NAME_MAX
from schemas.jsontext import NotAnObject, load_object
from schemas.records import Unreadable
from schemas.stats import (
    CODES_MAX,
    OTHER,
    SAMPLES_MAX,
    SCOPES_A_SECOND_MAX,
    DeadLetters,
    Money,
    StatsRow,
)
from streams.core.gauges import Scope, by_scope, put_money

# What a problem says of the very record begins here; what stands before is one of few texts.
_DETAILS: Final = re.compile(r"[;:(]|, not | at byte |(?<=record)'s ")
COUNTS: Final = (  # The fields of a row that are sums of its own.
    "submitted",
    "accepted",
    "rejected",
    "cancelled",
    "pending",
    "error",
    "timed_out",
    "returned_late",
    "held",
    "unmatched",
    "conflicting",
    "open_orders",
    "overdue_orders",
)


def put_dead_letter(row: StatsRow, side: int, event: Unreadable) -> None:
    """Count a record that cannot be read, by its first problem."""
    first = event.problems[0]
    problem = _DETAILS.split(first.problem, maxsplit=1)[0].strip()
    _put_letters(row, DeadLetters(side, first.field, problem, 1))


def first_ids(ids: tuple[str, ...], *more: str) -> tuple[str, ...]:
    """The first few of all ids by their order; `ids` has no more than that and is in order."""
    if len(ids) == SAMPLES_MAX and min(more) > ids[-1]:
        return ids
    if not ids and len(more) == 1:
        return more
    return tuple(sorted({*ids, *more})[:SAMPLES_MAX])


def named_in(value: bytes | None) -> Scope:
    """(provider, merchant, kind) that a value names although it cannot be read."""
    try:
        fields = load_object(value)
    except NotAnObject:
        return (None, None, None)
    data = fields.get("data")
    if "order_id" not in fields and isinstance(data, dict):
        fields = data
    provider, merchant, kind = (_name(fields.get(it)) for it in ("provider", "merchant", "kind"))
    return provider, merchant, kind


def folded(cells: dict[Scope, StatsRow]) -> list[StatsRow]:
    """The rows by scope; beyond the limit the smallest are added up in one, `other`."""
    rows = [cells[scope] for scope in sorted(cells, key=by_scope)]
    if len(rows) <= SCOPES_A_SECOND_MAX:
        return rows
    largest = sorted(rows, key=lambda row: (-_size(row), by_scope(row.scope)))
    other = StatsRow(other=True)
    for row in largest[SCOPES_A_SECOND_MAX - 1 :]:
        add(other, row)
    kept = sorted(largest[: SCOPES_A_SECOND_MAX - 1], key=lambda row: by_scope(row.scope))
    return [*kept, other]


def trimmed(row: StatsRow) -> StatsRow:
    """The row with its maps in order, and with at most so many codes and kinds of dead letters."""
    if len(row.codes) > 1:
        row.codes = trimmed_codes(row.codes)
    if len(row.delays) > 1:
        row.delays = dict(sorted(row.delays.items()))
    if len(row.dead_letters) > 1:
        _trim_letters(row)
    if len(row.money) > 1:
        row.money.sort(key=lambda money: money.currency)
    for money in row.money:
        if _is_empty(money):
            row.money = [money for money in row.money if not _is_empty(money)]
            break
    return row


def add(to: StatsRow, row: StatsRow) -> None:
    """Add up two rows, whatever their scopes; of open and overdue too, so of equal seconds."""
    to.submitted += row.submitted  # One by one, because this is done for every row of every second.
    to.accepted += row.accepted
    to.rejected += row.rejected
    to.cancelled += row.cancelled
    to.pending += row.pending
    to.error += row.error
    to.timed_out += row.timed_out
    to.returned_late += row.returned_late
    to.held += row.held
    to.unmatched += row.unmatched
    to.conflicting += row.conflicting
    to.open_orders += row.open_orders
    to.overdue_orders += row.overdue_orders
    for code, count in row.codes.items():
        to.codes[code] = to.codes.get(code, 0) + count
    delays = to.delays
    for bucket, count in row.delays.items():
        delays[bucket] = delays.get(bucket, 0) + count
    for letters in row.dead_letters:
        _put_letters(to, letters)
    for money in row.money:
        of = put_money(to, money.currency)
        of.open_minor += money.open_minor
        of.overdue_minor += money.overdue_minor
        of.timed_out_minor += money.timed_out_minor
        of.returned_late_minor += money.returned_late_minor
    if row.timed_out_ids:
        to.timed_out_ids = first_ids(to.timed_out_ids, *row.timed_out_ids)
    if row.unmatched_ids:
        to.unmatched_ids = first_ids(to.unmatched_ids, *row.unmatched_ids)


def trimmed_codes(codes: dict[str, int]) -> dict[str, int]:
    """Codes in order, the rarest of too many added up under OTHER."""
    by_count = sorted(codes.items(), key=lambda item: (-item[1], item[0]))
    if len(by_count) > CODES_MAX:
        rest = sum(count for _, count in by_count[CODES_MAX:])
        by_count = [*by_count[:CODES_MAX], (OTHER, rest)]
    return dict(sorted(by_count))


def _trim_letters(row: StatsRow) -> None:
    letters = sorted(row.dead_letters, key=lambda it: (-it.count, it.side, it.field, it.problem))
    row.dead_letters = tuple(letters[:CODES_MAX])
    for left in letters[CODES_MAX:]:
        _put_letters(row, DeadLetters(left.side, OTHER, OTHER, left.count))


def _is_empty(money: Money) -> bool:
    return not (
        money.open_minor
        or money.overdue_minor
        or money.timed_out_minor
        or money.returned_late_minor
    )


def _put_letters(row: StatsRow, more: DeadLetters) -> None:
    key = (more.side, more.field, more.problem)
    others, count = [], more.count
    for letters in row.dead_letters:
        if (letters.side, letters.field, letters.problem) == key:
            count += letters.count
        else:
            others.append(letters)
    row.dead_letters = (*others, DeadLetters(*key, count))


def _size(row: StatsRow) -> int:
    size = sum(letters.count for letters in row.dead_letters)
    for name in COUNTS[:-2]:
        size += getattr(row, name)
    return size


def _name(value: object) -> str | None:
    if not isinstance(value, str) or len(value) > NAME_MAX:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # Half an emoji: it cannot be told.
        return None
    return value
