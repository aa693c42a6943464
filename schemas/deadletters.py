"""Records that could not be read, and the headers that say where they stood and what is wrong.

Key, value, headers and timestamp go on unchanged; what is added stands behind the record's own
headers. `__streams.errors.*` are the names Kafka Streams gives its dead letters (KIP-1034).

In the same topic stand markers, which are no letters: each says of one letter that its record was
sent again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from schemas.alerts import behind_header
from schemas.jsontext import NotAnObject, dump, load_object
from schemas.records import Problem, Record, Unreadable

EXCEPTION: Final = "__streams.errors.exception"
UNREADABLE: Final = b"returnwatch.UnreadableRecord"
REQUEUED: Final = "returnwatch-requeued"

Headers = Sequence[tuple[str, bytes]]


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
        (EXCEPTION, UNREADABLE),
        ("__streams.errors.message", _message(problems).encode()),
        ("__streams.errors.topic", letter.topic.encode()),
        ("__streams.errors.partition", b"%d" % letter.partition),
        ("__streams.errors.offset", b"%d" % record.offset),
        ("returnwatch-problems", encode_problems(problems)),
    ]
    if letter.behind is not None:
        added.append(behind_header(letter.behind))
    return [*record.headers, *added]


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter as it is read back: where it stands, where its record stood, what was wrong.

    `record` is the one that came in, with its own headers, but for its offset, which is the
    letter's."""

    partition: int
    record: Record
    topic: str
    origin_partition: int
    origin_offset: int
    problems: tuple[Problem, ...]

    @property
    def place(self) -> tuple[int, int]:
        """Partition and offset in the dead letters, which name it."""
        return self.partition, self.record.offset


@dataclass(frozen=True, slots=True)
class Requeued:
    """A marker: the record of the letter at `letter` was sent again, at `at_ms`, to a topic and
    partition, with `fixes` to its fields."""

    letter: tuple[int, int]
    at_ms: int
    topic: str
    partition: int
    fixes: dict[str, Any]


def read_letter(partition: int, record: Record) -> StoredLetter | None:
    """What stands in a partition of the dead letters; None where it is no letter of ours."""
    ours = _where_ours_begin(record.headers)
    if ours is None:
        return None
    added = dict(record.headers[ours:])
    try:
        return StoredLetter(
            partition,
            replace(record, headers=list(record.headers[:ours])),
            added["__streams.errors.topic"].decode(),
            int(added["__streams.errors.partition"]),
            int(added["__streams.errors.offset"]),
            decode_problems(added["returnwatch-problems"]),
        )
    except (KeyError, ValueError, TypeError):
        return None


def marker(letter: StoredLetter, sent: Record, partition: int, *, fixes: dict[str, Any]) -> Record:
    """Says that the record of a letter was sent again, to a partition of its topic."""
    at = b"%d:%d" % letter.place
    told = {
        "letter": at.decode(),
        "topic": letter.topic,
        "partition": partition,
        "key": None if sent.key is None else sent.key.decode(errors="backslashreplace"),
        "fixes": fixes,
    }
    return Record(0, -1, letter.record.key, dump(told), [(REQUEUED, at)])


def read_marker(record: Record) -> Requeued | None:
    """A marker; None for anything else, a letter whose record had such a header included."""
    names = dict(record.headers)
    if REQUEUED not in names or _where_ours_begin(record.headers) is not None:
        return None
    try:
        partition, _, offset = names[REQUEUED].decode().partition(":")
        told = load_object(record.value)
        return Requeued(
            (int(partition), int(offset)),
            record.timestamp_ms,
            told["topic"],
            told["partition"],
            told["fixes"],
        )
    except (NotAnObject, KeyError, ValueError):
        return None


def _where_ours_begin(headers: Headers) -> int | None:
    """Ours are the last: a record that was a dead letter elsewhere before has such names, too."""
    at = [index for index, header in enumerate(headers) if header == (EXCEPTION, UNREADABLE)]
    return at[-1] if at else None


def encode_problems(problems: tuple[Problem, ...]) -> bytes:
    """The problems as a JSON list of objects."""
    return dump([problem._asdict() for problem in problems])


def decode_problems(value: bytes) -> tuple[Problem, ...]:
    """The problems of such a list; ValueError, KeyError or TypeError if it is none."""
    listed = load_object(b'{"problems":%s}' % value)["problems"]
    return tuple(Problem(it["field"], it["problem"], it["hint"]) for it in listed)


def _message(problems: tuple[Problem, ...]) -> str:
    return "; ".join(f"{problem.field} {problem.problem}" for problem in problems)
