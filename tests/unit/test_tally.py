"""What a tally hands out of seconds that few logs have."""

from typing import Final

from schemas.records import SUBMITTED, Problem, Record, Unreadable
from schemas.stats import encode_stats
from streams.core import notes
from streams.core.stats import Tally

SECOND_S: Final = 1_767_225_600


def test_a_second_in_which_nothing_that_is_told_happened_is_one_without_rows() -> None:
    tally = Tally(0)
    tally.notes.others.append((SECOND_S * 1000, notes.NOTHING, None, None))
    tally.count()
    tally.pass_to((SECOND_S + 1) * 1000 + 1)

    (record,), _ = tally.take()

    assert encode_stats(record) == (
        b'{"type":"stats","partition":0,"complete_s":1767225601,'
        b'"seconds":[{"second_s":1767225600,"rows":[]}]}'
    )


def test_half_an_emoji_in_a_name_that_cannot_be_read_is_no_name() -> None:
    tally = Tally(0)
    value = b'{"provider":"pg\\ud83c","merchant":"shop"}'
    record = Record(7, SECOND_S * 1000, b"order-1", value, ())
    event = Unreadable(record, (Problem("provider", "is no text", '"pg"'),))
    tally.notes.others.append((SECOND_S * 1000, notes.UNREADABLE, (SUBMITTED, event), None))
    tally.count()
    tally.pass_to((SECOND_S + 1) * 1000 + 1)

    (record_of_stats,), _ = tally.take()

    assert b'"rows":[{"merchant":"shop","dead_letters":[' in encode_stats(record_of_stats)
