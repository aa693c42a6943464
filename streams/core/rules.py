"""Which rule an order falls under, and the policy that verdicts are made by.

Owns how a submission finds its rule, and the canonical text by which a policy is kept and hashed.
Knows nothing of files: the rulebook reads those, and refuses what is only asserted here.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from operator import attrgetter
from typing import Any, Final

from schemas.events import Submission
from schemas.fields import RETURN_WITHIN_MAX_MS

CACHE_MAX: Final = 10_000  # Combinations of matched fields whose rule is remembered.
MATCH_KEYS: Final = ("provider", "merchant", "kind", "currency")


@dataclass(frozen=True, slots=True)
class Rule:
    """How long the orders that match may take; an empty match is that of the default rule.

    `max_ms` at RETURN_WITHIN_MAX_MS means that none was given.
    """

    name: str
    return_within_ms: int
    min_ms: int = 1
    max_ms: int = RETURN_WITHIN_MAX_MS
    severity: str = "critical"
    match: Mapping[str, str] = field(default_factory=dict)

    def within(self, own_ms: int | None) -> int:
        """The ms an order has: its own, clamped to the bounds; without one the rule's."""
        if own_ms is None:
            return self.return_within_ms
        return max(self.min_ms, min(own_ms, self.max_ms))

    def matches(self, facts: Mapping[str, Any]) -> bool:
        """Whether an order with these fields falls under the rule."""
        return all(facts.get(key) == value for key, value in self.match.items())


class Rules:
    """The default rule and the more specific ones; every order has exactly one that wins."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        defaults = [rule for rule in rules if not rule.match]
        assert len(defaults) == 1, f"{len(defaults)} default rules instead of one"
        assert len({rule.name for rule in rules}) == len(rules), "a rule's name is there twice"
        assert all(set(rule.match) <= set(MATCH_KEYS) for rule in rules), "an unknown match key"
        assert not ambiguities(rules), "an order would have no single rule"
        self.rules = tuple(rules)
        self.default = defaults[0]
        self.longest_ms = max(map(_longest_ms, rules))
        # Without the fields that no rule asks for, millions of merchants share a few entries.
        self.keys = tuple(key for key in MATCH_KEYS if any(key in rule.match for rule in rules))
        self._facts_of = _getter(self.keys)
        self._tables = _tables(rules)
        self._cache: dict[tuple[Any, ...], Rule] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rules) and self.rules == other.rules

    __hash__ = None  # type: ignore[assignment] # Rules hold dicts, so they have no hash either.

    def rule_of(self, submission: Submission) -> Rule:
        """The matching rule with the most specific match; called once per submission."""
        return self._rule_for(self._facts_of(submission)) if self.keys else self.default

    def terms_of(self, submission: Submission) -> tuple[str, int, str]:
        """(rule, return within ms, severity) that are fixed for an order."""
        rule = self.rule_of(submission)
        return rule.name, rule.within(submission.return_within_ms), rule.severity

    def resolve(self, fields: Mapping[str, Any]) -> Rule:
        """The same for an order of which only some fields are known."""
        return self._rule_for(tuple(map(fields.get, self.keys)))

    def _rule_for(self, facts: tuple[Any, ...]) -> Rule:
        rule = self._cache.get(facts)
        return self._find(facts) if rule is None else rule

    def _find(self, facts: tuple[Any, ...]) -> Rule:
        known = dict(zip(self.keys, facts, strict=True))
        found = (table.get(tuple(known[key] for key in keys)) for keys, table in self._tables)
        rule = next(rule for rule in found if rule is not None)
        if len(self._cache) >= CACHE_MAX:
            self._cache.clear()
        self._cache[facts] = rule
        return rule


@dataclass(frozen=True)
class Policy:
    """Everything that verdicts depend on besides the records."""

    rules: Rules
    hold_ms: int = 60_000
    remember_ms: int = 600_000

    def text(self) -> str:
        """Canonical JSON: equal policies have equal texts, and only they."""
        document = {
            "hold_ms": self.hold_ms,
            "remember_ms": self.remember_ms,
            "rules": [_row(rule) for rule in self.rules.rules],
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    def digest(self) -> str:
        """SHA-256 of the text, in hex."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.text().encode()).hexdigest()


def policy_from_text(text: str) -> Policy:
    """The policy that gave the text."""
    document = json.loads(text)
    rules = Rules([Rule(**row) for row in document["rules"]])
    return Policy(rules, document["hold_ms"], document["remember_ms"])


def single_rule(return_within_ms: int) -> Rules:
    """One rule for all orders, critical, without bounds of its own."""
    return Rules([Rule("default", return_within_ms)])


def ambiguities(rules: Sequence[Rule]) -> list[tuple[Rule, Rule]]:
    """The pairs that some order matches both of, while no rule is the more specific for it.

    Without any, the winner is unique: of two rules that match an order, neither more specific,
    the rule that has both matches does match it as well.
    """
    matches = {frozenset(rule.match.items()) for rule in rules}
    return [pair for pair in combinations(rules, 2) if _is_ambiguous(pair, matches)]


def _is_ambiguous(pair: tuple[Rule, Rule], matches: set[frozenset[tuple[str, str]]]) -> bool:
    first, second = (frozenset(rule.match.items()) for rule in pair)
    union = first | second
    if first == second:
        return True
    if len(dict(union)) < len(union):  # A key with two values: no order matches both.
        return False
    return union not in matches  # Of a rule and a more specific one, the union is the latter's.


def _longest_ms(rule: Rule) -> int:
    given_max_ms = 0 if rule.max_ms == RETURN_WITHIN_MAX_MS else rule.max_ms
    return max(rule.return_within_ms, given_max_ms)


def _tables(rules: Sequence[Rule]) -> list[tuple[tuple[str, ...], dict[tuple[str, ...], Rule]]]:
    """The rules by the keys they match on and then by the values, the most specific keys first.

    At most one table for each subset of the keys, so a miss of the cache costs 16 look-ups, not
    one for each rule.
    """
    tables: dict[tuple[str, ...], dict[tuple[str, ...], Rule]] = {}
    for rule in rules:
        keys = tuple(sorted(rule.match))
        tables.setdefault(keys, {})[tuple(rule.match[key] for key in keys)] = rule
    return sorted(tables.items(), key=lambda item: -len(item[0]))


def _getter(keys: tuple[str, ...]) -> Callable[[Submission], tuple[Any, ...]]:
    """Of several attributes `attrgetter` gives a tuple, of one the value itself."""
    if len(keys) > 1:
        return attrgetter(*keys)
    return lambda submission: tuple(getattr(submission, key) for key in keys)


def _row(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "return_within_ms": rule.return_within_ms,
        "min_ms": rule.min_ms,
        "max_ms": rule.max_ms,
        "severity": rule.severity,
        "match": dict(rule.match),
    }
