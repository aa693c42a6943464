"""A stretch as it is typed, and how far before it the reading has to begin."""

from datetime import UTC, datetime

import pytest

from streams.core.rules import Policy, Rule, Rules, single_rule
from streams.failures import WrongUse
from streams.investigate.stretch import Limit, asked, read_back_ms

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOW_MS = 1_769_860_800_000


@pytest.mark.parametrize(
    "text, limit",
    [
        (None, Limit()),
        ("-2h", Limit(NOW_MS - 7_200_000)),
        ("2026-01-31T11:59:59.5Z", Limit(NOW_MS - 500)),
        ("0:100/80", Limit(offsets={0: (100, 80)})),
        ("3:1/2,0:100/80", Limit(offsets={0: (100, 80), 3: (1, 2)})),
    ],
)
def test_a_limit_is_a_time_or_offsets(text: str | None, limit: Limit) -> None:
    assert asked(text, None, NOW).start == limit


@pytest.mark.parametrize("text", ["soon", "2026-01-31", "-2", "0:100", "0:1/2,", "1/2", "-1:1/2"])
def test_another_text_is_refused_with_both_forms_and_its_option(text: str) -> None:
    with pytest.raises(WrongUse) as refused:
        asked(None, text, NOW)

    assert str(refused.value) == (
        f"--to {text} is no place in the topics: give a time like 2026-01-31T12:00:00Z or -2h, or "
        "offsets like 0:100/80 (partition:submitted/returned), several with commas."
    )


@pytest.mark.parametrize(
    "start, end, problem",
    [
        ("-1h", "-2h", "--to -2h is not after --from -1h: nothing lies between."),
        ("0:1/1,0:2/2", None, "--from names partition 0 twice."),
    ],
)
def test_what_does_not_go_together_is_said(start: str, end: str | None, problem: str) -> None:
    with pytest.raises(WrongUse) as refused:
        asked(start, end, NOW)

    assert str(refused.value) == problem


def test_a_stretch_of_offsets_is_about_the_partitions_that_they_name() -> None:
    stretch = asked("2:0/0,0:1/1", "-1s", NOW)

    assert stretch.chosen(3) == [0, 2]
    assert asked("-1h", None, NOW).chosen(3) == [0, 1, 2]
    with pytest.raises(WrongUse, match="There is no partition 2: the inputs have 2"):
        stretch.chosen(2)
    with pytest.raises(WrongUse, match="different partitions"):
        asked("0:1/1", "1:1/1", NOW).chosen(2)


def test_reading_begins_the_longest_deadline_twice_remember_and_hold_before() -> None:
    rules = Rules([Rule("default", 30_000), Rule("x", 1, max_ms=90_000, match={"kind": "x"})])

    assert read_back_ms(Policy(single_rule(8_000), 60_000, 600_000)) == 1_268_000
    assert read_back_ms(Policy(rules, 1, 2)) == 90_005
