"""A TOML file as tables that know where they stand, so that every mistake is told with its line.

Knows nothing of rules.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from streams.failures import WrongUse

SHOWN_MAX: Final = 40  # characters of a wrong value in one problem

_HEADER: Final = re.compile(r"\s*\[(?P<more>\[?)(?P<path>[^\[\]]+)\]")
_KEY: Final = re.compile(r"\s*(?P<path>[^\s=#\[\]{}]+)\s*=")
_PART: Final = re.compile(r"[\w-]+")
_SYNTAX_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)")

Where = tuple[str | int, ...]  # A path into the document, such as ("rule", 0, "severity").


class RulebookError(WrongUse):
    """What is wrong with a rulebook, each problem a sentence that begins with `path:line: `."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Findings:
    """The problems of one file, as (line, sentence)."""

    path: Path
    lines: Mapping[Where, int]
    found: list[tuple[int, str]] = field(default_factory=list)

    def line(self, where: Where) -> int:
        """The line of the place, or of the nearest one around it whose line is known."""
        paths = (where[:length] for length in range(len(where), 0, -1))
        return next((self.lines[path] for path in paths if path in self.lines), 1)

    def add(self, where: Where, problem: str) -> None:
        """A problem at this place."""
        line = self.line(where)
        self.found.append((line, f"{self.path}:{line}: {problem}"))


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the document, and what problems call it."""

    where: Where
    label: str
    values: Mapping[str, Any]
    findings: Findings

    def refuse(self, key: str, problem: str) -> None:
        """The value under a key is wrong."""
        self.findings.add((*self.where, key), f"{key} of {self.label} {problem}")

    def refuse_unknown(self, known: Sequence[str]) -> None:
        """Every other key is a mistake."""
        for key in self.values:
            if key not in known:
                close = get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
                problem = f"{shown(key)} is no key of {self.label}; {hint}"
                self.findings.add((*self.where, key), problem)


def parse(path: Path) -> tuple[str, dict[str, Any]]:
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


def line_numbers(text: str) -> dict[Where, int]:
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


def shown(value: object) -> str:
    """A wrong value as it stands in a sentence."""
    is_text = isinstance(value, str | bool | list | dict)
    text = json.dumps(value, ensure_ascii=False, default=str) if is_text else str(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."
