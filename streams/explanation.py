"""Why an order falls under one of the rules and not under another."""

from collections.abc import Mapping
from dataclasses import dataclass

from streams.core.rules import Rule, Rules


@dataclass(frozen=True, slots=True)
class Explanation:
    """The rule that an order falls under, and for each of the others why it does not."""

    winner: Rule
    others: tuple[tuple[Rule, str], ...]


def explain(rules: Rules, facts: Mapping[str, str]) -> Explanation:
    """Why an order with these fields falls under its rule and not under another."""
    winner = rules.resolve(facts)
    others = (rule for rule in rules.rules if rule is not winner)
    return Explanation(winner, tuple((rule, _why_not(rule, winner, facts)) for rule in others))


def _why_not(rule: Rule, winner: Rule, facts: Mapping[str, str]) -> str:
    for key, value in rule.match.items():
        if facts.get(key) != value:
            return f"needs {key} = {value}, the order has {facts.get(key, 'none')}"
    return f"matches too, but {winner.name} is more specific"
