"""Records that could not be read, and the headers that say where they stood and what is wrong.

Key, value, headers and timestamp go on unchanged; what is added stands behind the record's own
headers. `__streams.errors.*` are the names Kafka Streams gives its dead letters (KIP-1034).
"""

from dataclasses import dataclass

from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from schemas.alerts import behind_header
from schemas.jsontext import dump
from schemas.records import Problem, Unreadable


class ProblemJson(TypedDict):
    """One wrong field: its name (or `key`, `value`), what is wrong, an example of a right value."""

    field: str
    problem: str
    hint: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A decision to set a record aside; `topic` and `partition` are where it was read."""

    side: int
    topic: str
    partition: int
    unreadable: Unreadable
    behind: tuple[int, int] | None = None


def dead_letter_headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    """The record's own headers unchanged, then ours."""
    record, problems = letter.unreadable.record, letter.unreadable.problems
    added = [
        ("__streams.errors.exception", b"returnwatch.UnreadableRecord"),
        ("__streams.errors.message", _message(problems).encode()),
        ("__streams.errors.topic", letter.topic.encode()),
        ("__streams.errors.partition", b"%d" % letter.partition),
        ("__streams.errors.offset", b"%d" % record.offset),
        ("returnwatch-problems", encode_problems(problems)),
    ]
    if letter.behind is not None:
        added.append(behind_header(letter.behind))
    return [*record.headers, *added]


def encode_problems(problems: tuple[Problem, ...]) -> bytes:
    """The problems as a JSON list of objects."""
    return dump([problem._asdict() for problem in problems])


def _message(problems: tuple[Problem, ...]) -> str:
    return "; ".join(f"{problem.field} {problem.problem}" for problem in problems)
