"""Where settings stand: the variables of the environment and of a `.env` file in this folder.

Knows the names of the settings only as it is told them. Shows names and line numbers, never
values, because one of them may be a secret.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream

ENV_FILE: Final = ".env"
OURS: Final = "RETURNWATCH_"
KAFKA: Final = "KAFKA_"

# What this project's tests read; a shell they are run from may hold these for the worker, too.
_OF_THE_TESTS: Final = ("RETURNWATCH_TEST_", "RETURNWATCH_KAFKA_CACHE")
# Kubernetes puts the address of a service named returnwatch or returnwatch-x into every pod
# beside it: RETURNWATCH_SERVICE_HOST, RETURNWATCH_PORT=tcp://10.0.0.1:6066 and their like.
_OF_KUBERNETES: Final = re.compile(
    r"\w+_SERVICE_(HOST|PORT\w*)=.*|\w+_PORT_\d+_(TCP|UDP|SCTP)\w*=.*|\w+_PORT=(tcp|udp|sctp)://.*"
)


@dataclass(frozen=True, slots=True)
class Sources:
    """The variables that are set, an empty value counting as not set, and what is wrong there."""

    environment: Mapping[str, str]
    env_file: Mapping[str, str]
    problems: tuple[str, ...]
    unreadable: bool = False


def read_sources(known: Collection[str]) -> Sources:
    """Both sources as they are now, with a problem for each line or name that says nothing."""
    environment = {name: value for name, value in os.environ.items() if value}
    strange = tuple(_unknown_in_environment(environment, known))
    try:
        text = _read(Path(ENV_FILE))
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else "cannot be opened"
        if isinstance(error, IsADirectoryError):
            reason = "is a folder"
        problem = f"The file {ENV_FILE} in this folder {reason}; write it anew or take it away."
        return Sources(environment, {}, (problem, *strange), unreadable=True)
    lines = list(parse_stream(StringIO(text)))
    env_file = {line.key: line.value for line in lines if line.key and line.value}
    wrong = tuple(_wrong_lines(lines))
    problems = (*strange, *wrong, *_unknown_in_file(env_file, known))
    return Sources(environment, env_file, problems, unreadable=bool(wrong))


def _read(path: Path) -> str:
    """Nothing where there is no file; a folder is no file that may be passed over."""
    if path.is_file() or path.is_dir():
        return path.read_text(encoding="utf-8-sig")
    return ""


def _wrong_lines(lines: Iterable[Binding]) -> Iterator[str]:
    for line in lines:
        if line.error or (line.key is not None and line.value is None):
            # The parser counts from the blank lines that stand before a line.
            text = line.original.string
            blank = text[: len(text) - len(text.lstrip())].count("\n")
            number = line.original.line + blank
            yield f"Line {number} of {ENV_FILE} is not NAME=value; for example {OURS}GRACE_S=1."


def _unknown_in_environment(names: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    for name, value in sorted(names.items()):
        ignored = name.startswith(_OF_THE_TESTS) or _OF_KUBERNETES.fullmatch(f"{name}={value}")
        if name.upper().startswith(OURS) and name not in known and not ignored:
            yield _unknown(name, "the environment", known)


def _unknown_in_file(names: Collection[str], known: Collection[str]) -> Iterator[str]:
    for name in sorted(names):
        ours = name.upper().startswith((OURS, KAFKA)) and not name.startswith(_OF_THE_TESTS)
        if ours and name not in known:
            yield _unknown(name, ENV_FILE, known)


def _unknown(name: str, source: str, known: Collection[str]) -> str:
    prefix = OURS if name.upper().startswith(OURS) else KAFKA
    # Compared without the prefix, which would make every name alike.
    ends = [other.removeprefix(prefix) for other in known if other.startswith(prefix)]
    alike = get_close_matches(name.upper().removeprefix(prefix), ends, n=1)
    hint = f"did you mean {prefix}{alike[0]}?" if alike else "`returnwatch config` lists them all."
    return f"{name} in {source} is not a setting; {hint}"
