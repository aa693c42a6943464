"""The parts of a snapshot file besides its rows, whatever the file's form.

Owns the format's version. The header of a checkpoint is the changelog's own, in its own version.
"""

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any, Final

from schemas.times import milliseconds, rfc3339
from streams.investigate.open_rows import Row
from streams.state.changelog import State
from streams.state.header import Header, decode_header, encode_header

FORMAT_VERSION: Final = 1

# What reading a file raises that is not ours, or was cut or changed.
DAMAGED: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, struct.error)


class Damaged(Exception):
    """A part of a file that cannot be read; the text says where, without a full stop."""


class OtherVersion(Exception):
    """A file of another format version."""


@dataclass(frozen=True, slots=True)
class About:
    """What a snapshot is of: whose state, how many partition numbers, which inputs, when taken
    (wall clock, ms), by which release."""

    app_id: str
    partitions: int
    submitted_topic: str
    returned_topic: str
    taken_at_ms: int
    returnwatch: str

    def document(self) -> dict[str, Any]:
        """As it stands in a file, the format version first."""
        fields = asdict(self)
        taken_at = rfc3339(fields.pop("taken_at_ms"))
        return {"format_version": FORMAT_VERSION, "taken_at": taken_at, **fields}

    @classmethod
    def read(cls, document: dict[str, Any]) -> "About":
        """The same again; OtherVersion, or one of DAMAGED."""
        fields = dict(document)
        version = fields.pop("format_version")
        if version != FORMAT_VERSION:
            raise OtherVersion(str(version))
        taken_at_ms = milliseconds(fields.pop("taken_at"))
        return cls(taken_at_ms=taken_at_ms, **fields)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Of which checkpoint the rows of a partition are; without a header it has no state yet.

    `policies` are the digests of its rules; `texts` are those of them that no partition before
    it has given."""

    partition: int
    header: Header | None
    policies: tuple[str, ...]
    texts: dict[str, str]

    def document(self) -> dict[str, Any]:
        """As it stands in a file."""
        header = None if self.header is None else json.loads(encode_header(self.header))
        return {
            "partition": self.partition,
            "header": header,
            "policies": list(self.policies),
            "texts": self.texts,
        }

    @classmethod
    def read(cls, document: dict[str, Any]) -> "Checkpoint":
        """The same again; StateError for a header of another version, or one of DAMAGED."""
        header = document["header"]
        return cls(
            partition=document["partition"],
            header=None if header is None else decode_header(json.dumps(header).encode()),
            policies=tuple(document["policies"]),
            texts=document["texts"],
        )

    @classmethod
    def of(cls, partition: int, state: State, given: dict[str, str]) -> "Checkpoint":
        """A state's; `given` are the texts given before it, and has all of them afterwards."""
        texts = {digest: text for digest, text in state.policies.items() if digest not in given}
        given.update(texts)
        return cls(partition, state.header, tuple(sorted(state.policies)), texts)


Part = About | Checkpoint | Row
