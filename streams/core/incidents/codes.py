"""Which class the code of a return belongs to, by a table of patterns that is data."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

CLASSES: Final = ("permission", "network", "data")
CODES_REMEMBERED_MAX: Final = 10_000


class CodeClasses:
    """The table, and what was looked up in it before."""

    def __init__(self, patterns: Mapping[str, Sequence[str]]) -> None:
        self._patterns = {name: tuple(patterns.get(name, ())) for name in CLASSES}
        self._found: dict[str, str | None] = {}

    @classmethod
    def of(cls, table: object) -> "CodeClasses":
        """The classes of a TOML table; ValueError says what is wrong with it."""
        if not isinstance(table, dict):
            raise ValueError("codes must be a table with lists of patterns")
        for name, patterns in table.items():
            if name not in CLASSES:
                raise ValueError(f"codes.{name} is unknown: write one of {', '.join(CLASSES)}")
            if not isinstance(patterns, list) or not all(isinstance(it, str) for it in patterns):
                raise ValueError(f'codes.{name} must be a list of texts, such as ["403"]')
        return cls({name: [it.upper() for it in patterns] for name, patterns in table.items()})

    def class_of(self, code: str) -> str | None:
        """permission, network, data, or None for a code of neither."""
        if code not in self._found:
            if len(self._found) >= CODES_REMEMBERED_MAX:
                self._found.clear()
            self._found[code] = self._find(code.upper())
        return self._found[code]

    def _find(self, code: str) -> str | None:
        for name, patterns in self._patterns.items():
            if any(fnmatchcase(code, pattern) for pattern in patterns):
                return name
        return None
