"""The rulebook as a file: what is read, what is refused with which line, and why a rule wins."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from schemas.fields import RETURN_WITHIN_MAX_MS
from streams.core.limits import Limit
from streams.core.rules import Policy, Rule, Rules, single_rule
from streams.explanation import explain
from streams.rulebook import RULES_MAX, load_limits, load_policy, read_rulebook
from streams.rulebook_tables import RulebookError

BOOK: Final = """\
# What the shop has agreed with its providers.
[default]
return_within_s = 30
min_return_within_s = 1
max_return_within_s = 3600

[[rule]]
name = "fast-cards"
match = { provider = "acme", kind = "card" }
return_within_s = 8
severity = "warning"
"""
DEFAULT: Final = "[default]\nreturn_within_s = 30\n"
FAST_CARDS: Final = Rule(
    "fast-cards", 8_000, severity="warning", match={"provider": "acme", "kind": "card"}
)


@dataclass(frozen=True, slots=True)
class FakeSettings:
    rules: Path | None
    return_within_ms: int = 30_000
    hold_ms: int = 5_000
    remember_ms: int = 50_000


def book_of(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(text)
    return path


def rule(name: str, match: str, more: str = "return_within_s = 8") -> str:
    return f'[[rule]]\nname = "{name}"\nmatch = {{ {match} }}\n{more}\n'


def problems(folder: Path, text: str) -> list[str]:
    """The problems of a rulebook, each without the path."""
    path = book_of(folder, text)
    with pytest.raises(RulebookError) as caught:
        read_rulebook(path)
    assert str(caught.value) == "\n".join(caught.value.problems)
    assert all(problem.startswith(f"{path}:") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def test_a_rulebook_gives_its_rules_in_order(tmp_path: Path) -> None:
    rules = read_rulebook(book_of(tmp_path, BOOK))

    default = Rule("default", 30_000, min_ms=1_000, max_ms=3_600_000)
    assert rules.rules == (default, FAST_CARDS)


def test_a_rule_inherits_no_bounds_from_the_default(tmp_path: Path) -> None:
    rules = read_rulebook(book_of(tmp_path, BOOK))

    assert (rules.rules[1].min_ms, rules.rules[1].max_ms) == (1, RETURN_WITHIN_MAX_MS)


@pytest.mark.parametrize(
    "seconds, within_ms",
    [("30", 30_000), ("0.001", 1), ("8.001", 8_001), ("2_592_000", 2_592_000_000), ("1e1", 10_000)],
)
def test_seconds_are_read_exactly_to_the_millisecond(
    tmp_path: Path, seconds: str, within_ms: int
) -> None:
    rules = read_rulebook(book_of(tmp_path, f"[default]\nreturn_within_s = {seconds}\n"))

    assert rules.default.return_within_ms == within_ms


@pytest.mark.parametrize(
    "seconds",
    ["0", "-1", "0.0005", "1.0001", "2592001", "1e99", "nan", "inf", "true", '"30"', "[]"],
)
def test_seconds_that_are_none_are_refused(tmp_path: Path, seconds: str) -> None:
    found = problems(tmp_path, f"[default]\nreturn_within_s = {seconds}\n")

    assert len(found) == 1
    assert found[0].startswith("2: return_within_s of [default] must be seconds from 0.001 to ")


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BOOK.replace("\n", "\r\n").encode())

    assert len(read_rulebook(path).rules) == 2


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = (
        BOOK.replace("30\n", "true\n").replace("severity =", "severty =").replace("acme", "A" * 65)
    )

    assert [problem.partition(" ")[0] for problem in problems(tmp_path, text)] == [
        "3:",
        "9:",
        "11:",
    ]


def test_an_unknown_key_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    assert problems(tmp_path, f'titel = "x"\n{DEFAULT}sevrity = "info"\n') == [
        '1: "titel" is no key of the rulebook; known are default, rule',
        '4: "sevrity" is no key of [default]; did you mean severity?',
    ]


def test_an_unknown_field_to_match_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    text = DEFAULT + rule("cards", 'provder = "acme"')

    assert problems(tmp_path, text) == [
        '5: "provder" is no key of match of rule "cards"; did you mean provider?'
    ]


def test_a_rulebook_needs_a_default(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == ["1: [default] is missing; it holds for all other orders"]


def test_a_default_needs_its_time(tmp_path: Path) -> None:
    assert problems(tmp_path, "\n[default]\n") == ["2: return_within_s of [default] is missing"]


@pytest.mark.parametrize(
    "line",
    ["", "name = 7", 'name = ""', 'name = "default"', 'name = "a\\nb"', f'name = "{"n" * 65}"'],
)
def test_a_rule_needs_a_name_of_its_own(tmp_path: Path, line: str) -> None:
    text = f'{DEFAULT}[[rule]]\n{line}\nmatch = {{ kind = "card" }}\nreturn_within_s = 8\n'

    (problem,) = problems(tmp_path, text)
    assert 'must be 1 to 64 printable characters, not "default"' in problem


@pytest.mark.parametrize("line", ["", "match = {}", 'match = "card"', "match = [1]"])
def test_a_rule_needs_a_match(tmp_path: Path, line: str) -> None:
    text = f'{DEFAULT}[[rule]]\nname = "cards"\n{line}\nreturn_within_s = 8\n'

    (problem,) = problems(tmp_path, text)
    assert problem.endswith('match of rule "cards" must be a table such as { provider = "acme" }')


@pytest.mark.parametrize(
    "match, right",
    [
        ("kind = 7", "a text of up to 64 characters, not 7"),
        ('currency = "eur"', 'three capital letters, not "eur"'),
        ("currency = true", "three capital letters, not true"),
    ],
)
def test_a_value_that_no_order_can_have_is_refused(tmp_path: Path, match: str, right: str) -> None:
    (problem,) = problems(tmp_path, DEFAULT + rule("cards", match))

    assert problem.startswith("5: ")
    assert problem.endswith(f'of match of rule "cards" must be {right}')


def test_a_severity_must_be_one_of_three(tmp_path: Path) -> None:
    assert problems(tmp_path, f'{DEFAULT}severity = "fatal"\n') == [
        '3: severity of [default] must be one of info, warning, critical, not "fatal"'
    ]


def test_bounds_must_be_in_order(tmp_path: Path) -> None:
    text = f"{DEFAULT}max_return_within_s = 10\nmin_return_within_s = 40\n"

    assert problems(tmp_path, text) == [
        "4: min_return_within_s of [default] is more than max_return_within_s"
    ]


def test_a_rules_time_must_lie_within_its_own_bounds(tmp_path: Path) -> None:
    assert problems(tmp_path, f"{DEFAULT}max_return_within_s = 8.5\n") == [
        "2: return_within_s of [default] is outside the bounds beside it, 0.001 to 8.5 s"
    ]


def test_two_rules_of_one_name_are_refused(tmp_path: Path) -> None:
    text = DEFAULT + rule("cards", 'kind = "card"') + rule("cards", 'kind = "bank"')

    assert problems(tmp_path, text) == [
        '8: name of rule "cards" is that of the rule at line 3, too'
    ]


def test_an_overlap_is_refused_with_both_lines_and_what_to_do(tmp_path: Path) -> None:
    text = DEFAULT + rule("acme", 'provider = "acme"') + rule("cards", 'kind = "card"')

    assert problems(tmp_path, text) == [
        '7: rule "cards" and rule "acme" at line 3 both match some orders; add a rule with '
        'match = { provider = "acme", kind = "card" }, or make one more specific than the other'
    ]


def test_a_rule_for_both_ends_an_overlap(tmp_path: Path) -> None:
    text = DEFAULT + rule("acme", 'provider = "acme"') + rule("cards", 'kind = "card"')
    text += rule("acme-cards", 'provider = "acme", kind = "card"')

    assert len(read_rulebook(book_of(tmp_path, text)).rules) == 4


def test_the_same_match_twice_is_refused(tmp_path: Path) -> None:
    text = DEFAULT + rule("cards", 'kind = "card"') + rule("again", 'kind = "card"')

    assert problems(tmp_path, text) == [
        '7: rule "again" and rule "cards" at line 3 both match some orders; '
        "remove one, or make it more specific"
    ]


def test_an_overlap_is_told_beside_other_mistakes_of_its_rules(tmp_path: Path) -> None:
    text = DEFAULT + rule("cards", 'kind = "card"', "") + rule("again", 'kind = "card"')

    assert len(problems(tmp_path, text)) == 2


def test_rules_in_single_brackets_are_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f'{DEFAULT}[rule]\nname = "cards"\n')

    assert problem.endswith("a rule must be a table of its own, under [[rule]]")


def test_more_rules_than_fit_in_a_record_are_refused(tmp_path: Path) -> None:
    rules = "".join(rule(f"r{n}", f'merchant = "m{n}"') for n in range(RULES_MAX + 1))

    (problem,) = problems(tmp_path, DEFAULT + rules)
    assert problem == f"{3 + 4 * RULES_MAX}: 501 rules are more than 500"


@pytest.mark.parametrize(
    "text",
    [
        f'{DEFAULT}\n[[rule]]\nname = "x"\nreturn_within_s = 8\n[rule.match]\nkind = 7\n',
        f'{DEFAULT}\n[[rule]]\nname = "x"\nreturn_within_s = 8\n\nmatch.kind = 7\n',
        f'{DEFAULT}\n[[ "rule" ]]\nname = "x"\nreturn_within_s = 8\n\n"match" = {{ kind = 7 }}\n',
    ],
    ids=["sub-table", "dotted key", "quoted names"],
)
def test_lines_are_found_in_every_usual_spelling(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, text)

    assert problem.startswith(("8: kind of match", "7: kind of match"))


def test_a_line_that_cannot_be_found_is_that_of_the_table_around_it(tmp_path: Path) -> None:
    text = 'default = { return_within_s = 30, "x=y" = 1 }\n\nrule = [{ name = "cards" }]\n'

    assert {problem.partition(":")[0] for problem in problems(tmp_path, text)} == {"1", "3"}


@pytest.mark.parametrize(
    "data, problem",
    [
        (b"[default]\nreturn_within_s 30\n", "2: is not TOML: Expected '='"),
        (b"[default]\nreturn_within_s =", "2: is not TOML: Invalid value"),
        (b"[default]\n# \xff\n", "2: is not UTF-8"),
        (b"x = " + b"1" * 5_000, "1: is not TOML: Exceeds the limit"),
    ],
)
def test_what_is_no_toml_is_refused_with_its_line(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(data)

    with pytest.raises(RulebookError) as caught:
        read_rulebook(path)
    assert str(caught.value).startswith(f"{path}:{problem}")


def test_a_file_that_cannot_be_read_is_a_problem_of_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"

    with pytest.raises(RulebookError) as caught:
        read_rulebook(path)
    assert caught.value.problems == (f"{path}:1: cannot be read: No such file or directory",)


def test_without_a_rulebook_the_settings_time_is_the_only_rule() -> None:
    assert load_policy(FakeSettings(None)) == Policy(single_rule(30_000), 5_000, 50_000)


def test_with_a_rulebook_its_rules_are_the_policy(tmp_path: Path) -> None:
    policy = load_policy(FakeSettings(book_of(tmp_path, BOOK)))

    assert policy.rules.rules[1] == FAST_CARDS
    assert (policy.hold_ms, policy.remember_ms) == (5_000, 50_000)


def test_an_explanation_says_of_every_other_rule_why_it_does_not_win() -> None:
    default, acme = Rule("default", 1), Rule("acme", 1, match={"provider": "acme"})
    shop = Rule("shop", 1, match={"provider": "pg", "merchant": "shop-7"})

    explanation = explain(
        Rules([default, acme, shop, FAST_CARDS]), {"provider": "acme", "kind": "card"}
    )
    assert explanation.winner == FAST_CARDS
    assert explanation.others == (
        (default, "matches too, but fast-cards is more specific"),
        (acme, "matches too, but fast-cards is more specific"),
        (shop, "needs provider = pg, the order has acme"),
    )


def test_an_explanation_names_a_field_that_the_order_lacks() -> None:
    rules = Rules([Rule("default", 1), FAST_CARDS])

    assert explain(rules, {"provider": "acme"}).others == (
        (FAST_CARDS, "needs kind = card, the order has none"),
    )


# Limits.


def test_limits_stand_in_the_rules_of_a_provider_or_a_merchant_and_change_no_verdict(
    tmp_path: Path,
) -> None:
    book = tmp_path / "rules.toml"
    plain = '[default]\nreturn_within_s = 30\n[[rule]]\nname = "a"\nreturn_within_s = 8\n'
    plain += 'match = { provider = "acme" }\n'
    book.write_text(plain)
    without = read_rulebook(book)

    book.write_text(plain + "open_orders_max = 500\nsubmissions_per_s_max = 40\n")

    assert read_rulebook(book) == without
    assert load_limits(FakeSettings(book)) == (
        Limit("a", "open_orders_max", "provider", "acme", 500),
        Limit("a", "submissions_per_s_max", "provider", "acme", 40),
    )
    assert load_limits(FakeSettings(None)) == ()


def test_limits_that_cannot_be_are_told_with_their_lines(tmp_path: Path) -> None:
    book = tmp_path / "rules.toml"
    book.write_text(
        "[default]\nreturn_within_s = 30\nopen_orders_max = 3\n"
        '[[rule]]\nname = "a"\nreturn_within_s = 8\nmatch = { kind = "card" }\n'
        "overdue_orders_max = 5\n"
        '[[rule]]\nname = "b"\nreturn_within_s = 8\nmatch = { kind = "wallet" }\n'
        "submissions_per_s_max = 1\n"
    )

    with pytest.raises(RulebookError) as caught:
        load_limits(FakeSettings(book))

    lines = [problem.removeprefix(f"{book}:") for problem in caught.value.problems]
    assert lines[0].startswith('3: "open_orders_max" is no key of [default]')
    needed = "needs a match of a provider alone or a merchant alone"
    assert lines[1:] == [
        f'8: overdue_orders_max of rule "a" {needed}',
        f'13: submissions_per_s_max of rule "b" {needed}',
    ]


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "true", '"many"', "1000000001"])
def test_a_limit_is_a_whole_number_above_0(value: str, tmp_path: Path) -> None:
    book = tmp_path / "rules.toml"
    book.write_text(
        "[default]\nreturn_within_s = 30\n"
        '[[rule]]\nname = "a"\nreturn_within_s = 8\nmatch = { merchant = "bakery" }\n'
        f"open_orders_max = {value}\n"
    )

    with pytest.raises(RulebookError, match="must be a whole number from 1 to 1000000000"):
        load_limits(FakeSettings(book))
