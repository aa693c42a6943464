"""The rulebook: a TOML file of rules, read strictly.

Every mistake is told at once, each with its line. Rules inherit nothing from [default]: what a
rule leaves out has the value that [default] would have without it. Knows no broker and no order.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol, get_args

from schemas.alerts import Severity
from schemas.fields import NAME_MAX, RETURN_WITHIN_MAX_MS
from streams.core.limits import MEASURES, Limit
from streams.core.rules import MATCH_KEYS, Policy, Rule, Rules, ambiguities, single_rule
from streams.rulebook_tables import Findings, RulebookError, Table, line_numbers, parse, shown

RULES_MAX: Final = 500  # Their text is one changelog record, which a broker takes up to 1 MB.

_SECONDS_MAX: Final = RETURN_WITHIN_MAX_MS // 1000
_SEVERITIES: Final[tuple[str, ...]] = get_args(Severity)
_DEFAULT: Final = "default"
_TERMS: Final = ("return_within_s", "min_return_within_s", "max_return_within_s", "severity")
_LIMITED_BY: Final = ("provider", "merchant")  # A limit holds for one of one of these.
LIMIT_MAX: Final = 1_000_000_000
# A value that no order can have would make a rule without effect, so it is refused.
_NAME: Final = (re.compile(f"(?s).{{0,{NAME_MAX}}}"), f"a text of up to {NAME_MAX} characters")
_CURRENCY: Final = (re.compile("[A-Z]{3}"), "three capital letters")


class PolicySettings(Protocol):
    """The settings that a policy is made of; hold and remember in ms."""

    @property
    def rules(self) -> Path | None: ...
    @property
    def return_within_ms(self) -> int: ...
    @property
    def hold_ms(self) -> int: ...
    @property
    def remember_ms(self) -> int: ...


def load_policy(settings: PolicySettings) -> Policy:
    """The policy of the settings; RulebookError if their rulebook has mistakes."""
    book = settings.rules
    rules = single_rule(settings.return_within_ms) if book is None else read_rulebook(book)
    return Policy(rules, settings.hold_ms, settings.remember_ms)


def load_limits(settings: PolicySettings) -> tuple[Limit, ...]:
    """The limits that the rules give; RulebookError as above. They change no verdict."""
    return () if settings.rules is None else _read(settings.rules).limits


def read_rulebook(path: Path) -> Rules:
    """The rules of a file; RulebookError with all its mistakes."""
    return _read(path).rules


@dataclass(frozen=True, slots=True)
class _Book:
    rules: Rules
    limits: tuple[Limit, ...]


def _read(path: Path) -> _Book:
    text, values = parse(path)
    findings = Findings(path, line_numbers(text))
    document = Table((), "the rulebook", values, findings)
    rules = _read_rules(document)
    limits = tuple(limit for table in _rule_tables(document) for limit in _limits(table))
    if findings.found:
        raise RulebookError([sentence for _, sentence in sorted(set(findings.found))])
    return _Book(Rules(rules), limits)


def wrong_value(key: str, value: object) -> str | None:
    """What is wrong with the value of a field that rules match; None if an order can have it."""
    right, words = _CURRENCY if key == "currency" else _NAME
    if isinstance(value, str) and right.fullmatch(value):
        return None
    return f"must be {words}, not {shown(value)}"


def _read_rules(document: Table) -> list[Rule]:
    """The default rule first; complete only if nothing was found wrong."""
    document.refuse_unknown((_DEFAULT, "rule"))
    tables = _rule_tables(document)
    _refuse_same_names(tables)
    rules = [_matching_rule(table) for table in tables]
    _refuse_overlaps([pair for pair in zip(tables, rules, strict=True) if pair[1].match])
    return [_default_rule(document), *rules]


def _default_rule(document: Table) -> Rule:
    values = document.values.get(_DEFAULT)
    if not isinstance(values, dict):
        document.findings.add((_DEFAULT,), "[default] is missing; it holds for all other orders")
        values = {"return_within_s": 1}
    table = Table((_DEFAULT,), "[default]", values, document.findings)
    table.refuse_unknown(_TERMS)
    return _rule(table, _DEFAULT, {})


def _rule_tables(document: Table) -> list[Table]:
    rows, findings = document.values.get("rule", []), document.findings
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        findings.add(("rule",), "a rule must be a table of its own, under [[rule]]")
        return []
    if len(rows) > RULES_MAX:
        findings.add(("rule", RULES_MAX), f"{len(rows)} rules are more than {RULES_MAX}")
        return []
    return [Table(("rule", n), _label(row, n), row, findings) for n, row in enumerate(rows)]


def _label(row: Mapping[str, Any], number: int) -> str:
    name = row.get("name")
    return f'rule "{name}"' if _is_name(name) else f"rule number {number + 1}"


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= NAME_MAX and value.isprintable()


def _matching_rule(table: Table) -> Rule:
    table.refuse_unknown(("name", "match", *_TERMS, *MEASURES))
    name = table.values.get("name")
    if not _is_name(name) or name == _DEFAULT:
        table.refuse("name", f'must be 1 to {NAME_MAX} printable characters, not "default"')
    return _rule(table, str(name), _match(table))


def _match(table: Table) -> dict[str, str]:
    """The fields that an order must have; none if one was refused."""
    match = table.values.get("match")
    if not isinstance(match, dict) or not match:
        table.refuse("match", 'must be a table such as { provider = "acme" }')
        return {}
    within = Table((*table.where, "match"), f"match of {table.label}", match, table.findings)
    before = len(table.findings.found)
    within.refuse_unknown(MATCH_KEYS)
    for key in match.keys() & set(MATCH_KEYS):
        if problem := wrong_value(key, match[key]):
            within.refuse(key, problem)
    return match if len(table.findings.found) == before else {}


def _rule(table: Table, name: str, match: Mapping[str, str]) -> Rule:
    within_ms = _milliseconds(table, "return_within_s")
    min_ms = _milliseconds(table, "min_return_within_s") or 1
    max_ms = _milliseconds(table, "max_return_within_s") or RETURN_WITHIN_MAX_MS
    if "return_within_s" not in table.values:
        table.refuse("return_within_s", "is missing")
    if min_ms > max_ms:
        table.refuse("min_return_within_s", "is more than max_return_within_s")
    elif within_ms is not None and not min_ms <= within_ms <= max_ms:
        bounds = f"{Decimal(min_ms) / 1000} to {Decimal(max_ms) / 1000} s"
        table.refuse("return_within_s", f"is outside the bounds beside it, {bounds}")
    return Rule(name, within_ms or 1, min_ms, max_ms, severity=_severity(table), match=match)


def _milliseconds(table: Table, key: str) -> int | None:
    """The seconds under the key in ms; None if there are none or they were refused."""
    value = table.values.get(key)
    if value is None:
        return None
    is_number = type(value) in (int, Decimal) and Decimal(value).is_finite()
    if is_number and 0 < value <= _SECONDS_MAX and value * 1000 % 1 == 0:
        return int(value * 1000)
    right = f"seconds from 0.001 to {_SECONDS_MAX} (30 days), with at most 3 decimals"
    table.refuse(key, f"must be {right}, not {shown(value)}")
    return None


def _severity(table: Table) -> str:
    value = table.values.get("severity", "critical")
    if value not in _SEVERITIES:
        table.refuse("severity", f"must be one of {', '.join(_SEVERITIES)}, not {shown(value)}")
    return str(value)


def _refuse_same_names(tables: Sequence[Table]) -> None:
    firsts: dict[str, Table] = {}
    for table in tables:
        first = firsts.setdefault(table.label, table)
        if first is not table:
            line = table.findings.line(first.where)
            table.refuse("name", f"is that of the rule at line {line}, too")


def _refuse_overlaps(placed: Sequence[tuple[Table, Rule]]) -> None:
    tables = {id(rule): table for table, rule in placed}
    for pair in ambiguities([rule for _, rule in placed]):
        first, second = (tables[id(rule)] for rule in pair)
        other = f"{first.label} at line {first.findings.line(first.where)}"
        problem = f"{second.label} and {other} both match some orders; {_remedy(*pair)}"
        second.findings.add(second.where, problem)


def _remedy(first: Rule, second: Rule) -> str:
    union = {**first.match, **second.match}
    if union == first.match == second.match:
        return "remove one, or make it more specific"
    wanted = ", ".join(f"{key} = {shown(value)}" for key, value in union.items())
    return f"add a rule with match = {{ {wanted} }}, or make one more specific than the other"


def _limits(table: Table) -> list[Limit]:
    """The limits that a rule gives for all orders of its provider or merchant."""
    given = [measure for measure in MEASURES if measure in table.values]
    match = table.values.get("match")
    if not given or not isinstance(match, dict):
        return []
    if len(match) != 1 or not set(match) <= set(_LIMITED_BY):
        table.refuse(given[0], "needs a match of a provider alone or a merchant alone")
        return []
    limits = []
    for measure in given:
        most = table.values[measure]
        if type(most) is int and 0 < most <= LIMIT_MAX:
            ((by, of),) = match.items()
            limits.append(Limit(str(table.values.get("name")), measure, by, str(of), most))
        else:
            table.refuse(
                measure, f"must be a whole number from 1 to {LIMIT_MAX}, not {shown(most)}"
            )
    return limits
