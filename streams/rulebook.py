"""The rulebook: a TOML file of rules, read strictly.

Every mistake is told at once, each with its line. Rules inherit nothing from [default]: what a
rule leaves out has the value that [default] would have without it. Knows no broker and no order.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Protocol, get_args

from schemas.alerts import Severity
from schemas.fields import NAME_MAX, RETURN_WITHIN_MAX_MS
from streams.core.rules import MATCH_KEYS, Policy, Rule, Rules, ambiguities, single_rule
from streams.failures import WrongUse

RULES_MAX: Final = 500  # Their text is one changelog record, which a broker takes up to 1 MB.
SHOWN_MAX: Final = 40  # characters of a wrong value in one problem

_SECONDS_MAX: Final = RETURN_WITHIN_MAX_MS // 1000
_SEVERITIES: Final[tuple[str, ...]] = get_args(Severity)
_DEFAULT: Final = "default"
_TERMS: Final = ("return_within_s", "min_return_within_s", "max_return_within_s", "severity")
# A value that no order can have would make a rule without effect, so it is refused.
_NAME: Final = (re.compile(f"(?s).{{0,{NAME_MAX}}}"), f"a text of up to {NAME_MAX} characters")
_CURRENCY: Final = (re.compile("[A-Z]{3}"), "three capital letters")
_HEADER: Final = re.compile(r"\s*\[(?P<more>\[?)(?P<path>[^\[\]]+)\]")
_KEY: Final = re.compile(r"\s*(?P<path>[^\s=#\[\]{}]+)\s*=")
_PART: Final = re.compile(r"[\w-]+")
_SYNTAX_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)")

Where = tuple[str | int, ...]  # A path into the document, such as ("rule", 0, "severity").


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


class RulebookError(WrongUse):
    """What is wrong with a rulebook, each problem a sentence that begins with `path:line: `."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def load_policy(settings: PolicySettings) -> Policy:
    """The policy of the settings; RulebookError if their rulebook has mistakes."""
    book = settings.rules
    rules = single_rule(settings.return_within_ms) if book is None else read_rulebook(book)
    return Policy(rules, settings.hold_ms, settings.remember_ms)


def read_rulebook(path: Path) -> Rules:
    """The rules of a file; RulebookError with all its mistakes."""
    text, values = _parse(path)
    findings = _Findings(path, _line_numbers(text))
    rules = _read_rules(_Table((), "the rulebook", values, findings))
    if findings.found:
        raise RulebookError([sentence for _, sentence in sorted(findings.found)])
    return Rules(rules)


def wrong_value(key: str, value: object) -> str | None:
    """What is wrong with the value of a field that rules match; None if an order can have it."""
    right, words = _CURRENCY if key == "currency" else _NAME
    if isinstance(value, str) and right.fullmatch(value):
        return None
    return f"must be {words}, not {_shown(value)}"


@dataclass(frozen=True, slots=True)
class _Findings:
    """The problems of one file, as (line, sentence)."""

    path: Path
    lines: Mapping[Where, int]
    found: list[tuple[int, str]] = field(default_factory=list)

    def line(self, where: Where) -> int:
        """The line of the place, or of the nearest one around it whose line is known."""
        paths = (where[:length] for length in range(len(where), 0, -1))
        return next((self.lines[path] for path in paths if path in self.lines), 1)

    def add(self, where: Where, problem: str) -> None:
        line = self.line(where)
        self.found.append((line, f"{self.path}:{line}: {problem}"))


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the document, and what problems call it."""

    where: Where
    label: str
    values: Mapping[str, Any]
    findings: _Findings

    def refuse(self, key: str, problem: str) -> None:
        self.findings.add((*self.where, key), f"{key} of {self.label} {problem}")

    def refuse_unknown(self, known: Sequence[str]) -> None:
        for key in self.values:
            if key not in known:
                close = get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
                problem = f"{_shown(key)} is no key of {self.label}; {hint}"
                self.findings.add((*self.where, key), problem)


def _parse(path: Path) -> tuple[str, dict[str, Any]]:
    """The file as text and as TOML."""
    data = b""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")  # Editors on Windows put a mark at the beginning.
        return text, tomllib.loads(text, parse_float=Decimal)  # 8.001 s are exactly 8,001 ms.
    except OSError as error:
        line, problem = 1, f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        line, problem = data.count(b"\n", 0, error.start) + 1, "is not UTF-8"
    except ValueError as error:  # An integer of thousands of digits is no TOMLDecodeError.
        place = _SYNTAX_LINE.search(str(error))
        line = int(place[1]) if place else data.rstrip().count(b"\n") + 1
        problem = f"is not TOML: {_SYNTAX_LINE.sub('', str(error))}"
    raise RulebookError([f"{path}:{line}: {problem}"])


def _line_numbers(text: str) -> dict[Where, int]:
    """Where tables and keys begin, as tomllib does not say: good for usual files, never needed."""
    lines: dict[Where, int] = {}
    table: Where = ()
    rules = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            table = tuple(_PART.findall(header["path"]))
            if table[:1] == ("rule",):
                rules += bool(header["more"]) and len(table) == 1
                table = ("rule", rules - 1, *table[1:])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_PART.findall(key["path"])[:1]), number)
    return lines


def _read_rules(document: _Table) -> list[Rule]:
    """The default rule first; complete only if nothing was found wrong."""
    document.refuse_unknown((_DEFAULT, "rule"))
    tables = _rule_tables(document)
    _refuse_same_names(tables)
    rules = [_matching_rule(table) for table in tables]
    _refuse_overlaps([pair for pair in zip(tables, rules, strict=True) if pair[1].match])
    return [_default_rule(document), *rules]


def _default_rule(document: _Table) -> Rule:
    values = document.values.get(_DEFAULT)
    if not isinstance(values, dict):
        document.findings.add((_DEFAULT,), "[default] is missing; it holds for all other orders")
        values = {"return_within_s": 1}
    table = _Table((_DEFAULT,), "[default]", values, document.findings)
    table.refuse_unknown(_TERMS)
    return _rule(table, _DEFAULT, {})


def _rule_tables(document: _Table) -> list[_Table]:
    rows, findings = document.values.get("rule", []), document.findings
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        findings.add(("rule",), "a rule must be a table of its own, under [[rule]]")
        return []
    if len(rows) > RULES_MAX:
        findings.add(("rule", RULES_MAX), f"{len(rows)} rules are more than {RULES_MAX}")
        return []
    return [_Table(("rule", n), _label(row, n), row, findings) for n, row in enumerate(rows)]


def _label(row: Mapping[str, Any], number: int) -> str:
    name = row.get("name")
    return f'rule "{name}"' if _is_name(name) else f"rule number {number + 1}"


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= NAME_MAX and value.isprintable()


def _matching_rule(table: _Table) -> Rule:
    table.refuse_unknown(("name", "match", *_TERMS))
    name = table.values.get("name")
    if not _is_name(name) or name == _DEFAULT:
        table.refuse("name", f'must be 1 to {NAME_MAX} printable characters, not "default"')
    return _rule(table, str(name), _match(table))


def _match(table: _Table) -> dict[str, str]:
    """The fields that an order must have; none if one was refused."""
    match = table.values.get("match")
    if not isinstance(match, dict) or not match:
        table.refuse("match", 'must be a table such as { provider = "acme" }')
        return {}
    within = _Table((*table.where, "match"), f"match of {table.label}", match, table.findings)
    before = len(table.findings.found)
    within.refuse_unknown(MATCH_KEYS)
    for key in match.keys() & set(MATCH_KEYS):
        if problem := wrong_value(key, match[key]):
            within.refuse(key, problem)
    return match if len(table.findings.found) == before else {}


def _rule(table: _Table, name: str, match: Mapping[str, str]) -> Rule:
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


def _milliseconds(table: _Table, key: str) -> int | None:
    """The seconds under the key in ms; None if there are none or they were refused."""
    value = table.values.get(key)
    if value is None:
        return None
    is_number = type(value) in (int, Decimal) and Decimal(value).is_finite()
    if is_number and 0 < value <= _SECONDS_MAX and value * 1000 % 1 == 0:
        return int(value * 1000)
    right = f"seconds from 0.001 to {_SECONDS_MAX} (30 days), with at most 3 decimals"
    table.refuse(key, f"must be {right}, not {_shown(value)}")
    return None


def _severity(table: _Table) -> str:
    value = table.values.get("severity", "critical")
    if value not in _SEVERITIES:
        table.refuse("severity", f"must be one of {', '.join(_SEVERITIES)}, not {_shown(value)}")
    return str(value)


def _refuse_same_names(tables: Sequence[_Table]) -> None:
    firsts: dict[str, _Table] = {}
    for table in tables:
        first = firsts.setdefault(table.label, table)
        if first is not table:
            line = table.findings.line(first.where)
            table.refuse("name", f"is that of the rule at line {line}, too")


def _refuse_overlaps(placed: Sequence[tuple[_Table, Rule]]) -> None:
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
    wanted = ", ".join(f"{key} = {_shown(value)}" for key, value in union.items())
    return f"add a rule with match = {{ {wanted} }}, or make one more specific than the other"


def _shown(value: object) -> str:
    is_text = isinstance(value, str | bool | list | dict)
    text = json.dumps(value, ensure_ascii=False, default=str) if is_text else str(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."
