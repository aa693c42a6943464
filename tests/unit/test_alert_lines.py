"""An alert for people: one line, whatever stands in it; and the times one may ask from."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from streams.commands.alerts import alert_line
from streams.moments import WrongTime, time_ms

NOW: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW_MS: Final = 1_767_268_800_000
TIMED_OUT: Final[dict[str, Any]] = {
    "type": "timed_out",
    "order_id": "A-1",
    "attempt": 1,
    "kind": "card",
    "provider": None,
    "merchant": "shop-7",
    "amount_minor": 1250,
    "currency": "EUR",
    "deadline": "2026-01-01T00:00:30.000Z",
    "rule": "cards",
    "outcome": "rejected",
    "first_outcome": "accepted",
    "late_by_ms": 1_234,
    "arrived_at": "2026-01-01T00:00:31.000Z",
}


@pytest.mark.parametrize(
    "kind, told",
    [
        ("timed_out", "no result by 2026-01-01T00:00:30.000Z (cards)"),
        ("returned_late", "rejected 1.234 s late"),
        ("unmatched_return", "rejected at 2026-01-01T00:00:31.000Z, never submitted"),
        ("conflicting_return", "rejected after accepted"),
    ],
)
def test_it_says_which_order_and_what_happened(kind: str, told: str) -> None:
    line = alert_line({**TIMED_OUT, "type": kind}).plain

    assert line == f"{kind:<18} A-1 card shop-7 1250 EUR (minor units) {told}"


def test_it_says_which_attempt_from_the_second_on() -> None:
    assert " A-1 attempt 2 card " in alert_line({**TIMED_OUT, "attempt": 2}).plain
    assert "attempt" not in alert_line({**TIMED_OUT, "attempt": None}).plain


def test_no_text_of_an_order_breaks_the_line_or_reaches_the_terminal() -> None:
    odd = {"order_id": "a\nb\x1b[31m", "provider": "p\r\u2028\x9b", "kind": "[red]ü"}

    line = alert_line({**TIMED_OUT, **odd}).plain

    assert line.isprintable()
    assert r" a\nb\x1b[31m [red]ü p\r\u2028\x9b " in line


@pytest.mark.parametrize(
    "text, then_ms",
    [
        ("-90s", NOW_MS - 90_000),
        ("-15m", NOW_MS - 900_000),
        ("-2h", NOW_MS - 7_200_000),
        ("-1d", NOW_MS - 86_400_000),
        ("2026-01-01T12:00:00Z", NOW_MS),
        ("2026-01-01T13:00:00.5+01:00", NOW_MS + 500),
    ],
)
def test_a_time_is_rfc_3339_or_relative(text: str, then_ms: int) -> None:
    assert time_ms(text, NOW) == then_ms


@pytest.mark.parametrize(
    "text", ["", "-", "-h", "2h", "-2", "--2h", "-²h", "-1.5h", "-2w", "-" + "9" * 5_000 + "d"]
)
def test_another_time_is_refused(text: str) -> None:
    with pytest.raises(WrongTime, match="is no time: give one like"):
        time_ms(text, NOW)


@pytest.mark.parametrize("text", ["-999999d", "1950-01-01T00:00:00Z"])
def test_a_time_before_everything_is_the_beginning(text: str) -> None:
    assert time_ms(text, NOW) == 0
