"""Where the classes of codes come from: the package's table, and a file of the user's own."""

import tomllib
from pathlib import Path
from typing import Any, Final

from streams.core.incidents.codes import CodeClasses

DEFAULT: Final = Path(__file__).with_name("codes.toml")


def code_classes(path: Path | None = None) -> CodeClasses:
    """The classes, those in the file at `path` instead of ours; ValueError says what is wrong."""
    table = _table(DEFAULT)
    return CodeClasses.of(table if path is None else {**table, **_table(path)})


def _table(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("codes", {})
    except (OSError, ValueError) as error:
        raise ValueError(f"The table of codes {path} cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise ValueError(f"The table of codes {path} has no table [codes]")
    return table
