"""Which rule an order falls under, and the policy as text."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fields import RETURN_WITHIN_MAX_MS
from streams.core import rules as rules_module
from streams.core.rules import (
    MATCH_KEYS,
    Policy,
    Rule,
    Rules,
    ambiguities,
    policy_from_text,
    single_rule,
)

DEFAULT: Final = Rule("default", 30_000)
ACME: Final = Rule("acme", 20_000, match={"provider": "acme"})
CARDS: Final = Rule("cards", 10_000, match={"kind": "card"})
ACME_CARDS: Final = Rule("acme-cards", 8_000, match={"provider": "acme", "kind": "card"})

# Few values, so that rules overlap and orders match several of them.
matches = st.dictionaries(st.sampled_from(MATCH_KEYS), st.sampled_from("ab"), min_size=1)
orders = st.dictionaries(st.sampled_from(MATCH_KEYS), st.sampled_from(["a", "b", "c", None]))


@st.composite
def rulebooks(draw: st.DrawFn) -> list[Rule]:
    """Rules without ambiguity: what would make one is left out."""
    rules = [DEFAULT]
    for number, match in enumerate(draw(st.lists(matches, max_size=12))):
        more = Rule(f"rule-{number}", 1_000 + number, match=match)
        rules += [] if ambiguities([*rules, more]) else [more]
    return draw(st.permutations(rules))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    def with_terms(rule: Rule) -> Rule:
        bounds = draw(st.tuples(st.integers(1, 1_000), st.integers(100_000, RETURN_WITHIN_MAX_MS)))
        severity = draw(st.sampled_from(["info", "warning", "critical"]))
        return Rule(rule.name, rule.return_within_ms, *bounds, severity, rule.match)

    rules = Rules([with_terms(rule) for rule in draw(rulebooks())])
    return Policy(rules, draw(st.integers(0, 10**6)), draw(st.integers(0, 10**6)))


def test_an_order_without_a_time_of_its_own_has_that_of_the_rule() -> None:
    assert Rule("default", 30_000, min_ms=1_000, max_ms=60_000).within(None) == 30_000


@pytest.mark.parametrize(
    "own_ms, within_ms", [(1, 1_000), (1_000, 1_000), (5_000, 5_000), (60_001, 60_000)]
)
def test_an_orders_own_time_wins_within_the_bounds_of_the_rule(own_ms: int, within_ms: int) -> None:
    assert Rule("default", 30_000, min_ms=1_000, max_ms=60_000).within(own_ms) == within_ms


def test_an_order_that_no_rule_matches_falls_under_the_default_rule() -> None:
    rules = Rules([DEFAULT, ACME])

    assert rules.resolve({"provider": "pg"}) is DEFAULT
    assert rules.resolve({"provider": None}) is DEFAULT
    assert rules.resolve({}) is DEFAULT


def test_the_most_specific_rule_wins_wherever_it_stands() -> None:
    order = {"provider": "acme", "kind": "card", "merchant": "shop-7"}

    assert Rules([DEFAULT, ACME, CARDS, ACME_CARDS]).resolve(order) is ACME_CARDS
    assert Rules([ACME_CARDS, CARDS, ACME, DEFAULT]).resolve(order) is ACME_CARDS


@given(rulebooks(), st.lists(orders, max_size=20))
def test_the_winner_has_every_match_that_the_order_fulfils(
    book: list[Rule], some_orders: list[Mapping[str, Any]]
) -> None:
    rules = Rules(book)

    for order in some_orders * 2:  # The second time from the cache.
        matching = [rule for rule in book if rule.matches(order)]
        winner = rules.resolve(order)
        assert winner == max(matching, key=lambda rule: len(rule.match))
        assert all(rule.match.items() <= winner.match.items() for rule in matching)


def test_the_cache_is_limited_and_right_when_it_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules_module, "CACHE_MAX", 3)
    rules = Rules([DEFAULT, ACME])

    found = [rules.resolve({"provider": f"p-{number}"}) for number in range(10)]
    assert found == [DEFAULT] * 10
    assert rules.resolve({"provider": "acme"}) is ACME
    assert len(rules._cache) <= 3


def test_a_field_that_no_rule_asks_for_takes_no_room_in_the_cache() -> None:
    rules = Rules([DEFAULT, ACME])

    for number in range(100):
        rules.resolve({"provider": "acme", "merchant": f"shop-{number}"})

    assert len(rules._cache) == 1


def test_two_rules_that_match_one_order_need_a_third_that_has_both_matches() -> None:
    assert ambiguities([DEFAULT, ACME, CARDS]) == [(ACME, CARDS)]
    assert ambiguities([DEFAULT, ACME, CARDS, ACME_CARDS]) == []


def test_rules_that_share_no_order_are_not_ambiguous() -> None:
    other = Rule("pg-cards", 1_000, match={"provider": "pg", "kind": "card"})

    assert ambiguities([ACME, other]) == []


def test_two_rules_with_the_same_match_are_ambiguous() -> None:
    again = Rule("acme-again", 1_000, match={"provider": "acme"})

    assert ambiguities([ACME, again]) == [(ACME, again)]


@given(st.lists(matches, max_size=8))
def test_a_pair_is_ambiguous_only_if_an_order_has_no_single_winner(
    some: list[dict[str, str]],
) -> None:
    rules = [Rule(f"rule-{number}", 1_000, match=match) for number, match in enumerate(some)]

    for pair in ambiguities(rules):
        order = {**pair[0].match, **pair[1].match}
        winners = [
            rule
            for rule in rules
            if rule.matches(order)
            and all(other.match.items() <= rule.match.items() for other in pair)
        ]
        assert all(rule.matches(order) for rule in pair)
        assert not winners or pair[0].match == pair[1].match


@pytest.mark.parametrize(
    "broken",
    [
        [ACME],
        [DEFAULT, Rule("second", 1_000)],
        [DEFAULT, ACME, CARDS],
        [DEFAULT, Rule("default", 1_000, match={"kind": "card"})],
        [DEFAULT, Rule("by-player", 1_000, match={"player": "player-12"})],
    ],
    ids=["no default", "two defaults", "ambiguous", "same name", "unknown key"],
)
def test_rules_without_a_single_winner_for_every_order_cannot_be_made(broken: list[Rule]) -> None:
    with pytest.raises(AssertionError):
        Rules(broken)


def test_the_longest_time_counts_bounds_only_where_they_were_given() -> None:
    bounded = Rule("bounded", 1_000, max_ms=90_000, match={"kind": "card"})

    assert Rules([DEFAULT]).longest_ms == 30_000
    assert Rules([DEFAULT, bounded]).longest_ms == 90_000


def test_a_single_rule_is_the_critical_default() -> None:
    assert single_rule(30_000).rules == (DEFAULT,)
    assert DEFAULT.severity == "critical"


@given(policies())
def test_a_policy_comes_back_from_its_text(policy: Policy) -> None:
    again = policy_from_text(policy.text())

    assert again == policy
    assert again.digest() == policy.digest()


def test_a_policys_text_is_one_canonical_line() -> None:
    policy = Policy(Rules([DEFAULT]), hold_ms=1, remember_ms=2)

    assert policy.text() == (
        '{"hold_ms":1,"remember_ms":2,"rules":[{"match":{},"max_ms":2592000000,"min_ms":1,'
        '"name":"default","return_within_ms":30000,"severity":"critical"}]}'
    )


@pytest.mark.parametrize(
    "other",
    [
        Policy(single_rule(30_001)),
        Policy(single_rule(30_000), hold_ms=1),
        Policy(single_rule(30_000), remember_ms=60_001),
        Policy(Rules([Rule("default", 30_000, severity="info")])),
        Policy(Rules([Rule("default", 30_000, min_ms=2)])),
        Policy(Rules([Rule("default", 30_000, max_ms=40_000)])),
        Policy(Rules([DEFAULT, ACME])),
    ],
)
def test_whatever_verdicts_depend_on_changes_the_digest(other: Policy) -> None:
    assert other.digest() != Policy(single_rule(30_000)).digest()
