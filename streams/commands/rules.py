"""`returnwatch rules explain`: which rule wins for an order, and why."""

from typing import Annotated

from cyclopts import App, Parameter

from streams.commands.console import out
from streams.core.rules import Rule
from streams.explanation import explain as explain_rules
from streams.failures import WrongUse
from streams.rulebook import load_policy, wrong_value
from streams.settings import load_settings

rules = App(
    name="rules", help="Ask the rules.\n\nExample: returnwatch rules explain --provider acme"
)


@rules.command
def explain(
    *,
    provider: Annotated[str | None, Parameter(help="Of the order.")] = None,
    merchant: Annotated[str | None, Parameter(help="Of the order.")] = None,
    kind: Annotated[str | None, Parameter(help="Of the order.")] = None,
    currency: Annotated[str | None, Parameter(help="Of the order.")] = None,
) -> None:
    """Say which rule wins for an order like this, and why the others do not.

    Example: RETURNWATCH_RULES=rules.toml returnwatch rules explain --provider acme --kind card
    """
    settings = load_settings()
    given = {"provider": provider, "merchant": merchant, "kind": kind, "currency": currency}
    facts = {name: value for name, value in given.items() if value is not None}
    for name, value in facts.items():
        if problem := wrong_value(name, value):
            raise WrongUse(f"--{name} {problem}: no order has that.")
    explanation = explain_rules(load_policy(settings).rules, facts)
    out.print(f"{explanation.winner.name}: {_terms(explanation.winner)}", markup=False)
    for rule, reason in explanation.others:
        out.print(f"  not {rule.name}: {reason}", markup=False)


def _terms(rule: Rule) -> str:
    return (
        f"the result within {rule.return_within_ms / 1_000:g} s, severity {rule.severity}, "
        f"the order's own return_within_ms from {rule.min_ms} to {rule.max_ms}"
    )
