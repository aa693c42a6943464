"""What the owner of incidents keeps in its changelog: parts, cut into records, and a header.

Owns the key layout: `p`, a part's name and a number for a piece of it, `h` for the header, which
says how many pieces each part has and where to go on in `order-stats`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

from schemas.records import Record
from streams.core.kept import KeyValue
from streams.state.header import StateError

FORMAT_VERSION: Final = 1
PIECE_BYTES_MAX: Final = 256 * 1024
HEADER_KEY: Final = b"h"

Parts = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Kept:
    """Where to go on, by partition of `order-stats`, and the parts as they were written."""

    offsets: dict[int, int]
    parts: dict[str, bytes]


@dataclass(slots=True)
class IncidentsState:
    """What the changelog holds, after its records were taken in."""

    header: bytes | None = None
    pieces: dict[bytes, bytes] = field(default_factory=dict)

    def take_all(self, records: Iterable[Record]) -> None:
        """Take in the next records; StateError for one that is none of ours."""
        for record in records:
            key = record.key or b""
            if key == HEADER_KEY:
                self.header = record.value
            elif key[:1] != b"p":
                raise StateError(f"The changelog holds a record with the key {key[:20]!r}.")
            elif record.value is None:
                self.pieces.pop(key, None)
            else:
                self.pieces[key] = record.value

    def kept(self) -> Kept | None:
        """All of it, None where nothing was kept yet; StateError where records are missing."""
        if self.header is None:
            return None
        try:
            header = json.loads(self.header)
            version, offsets = header["format_version"], header["offsets"]
            counts = header["parts"]
            if version != FORMAT_VERSION:
                raise StateError(
                    f"The state of incidents has format version {version}, this worker reads "
                    f"{FORMAT_VERSION}: run the version of returnwatch that wrote it."
                )
            parts = {name: self._part(name, *its) for name, its in counts.items()}
            return Kept({int(partition): at for partition, at in offsets.items()}, parts)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(f"The state of incidents cannot be read ({error}).") from error

    def _part(self, name: str, count: int, checksum: int) -> bytes:
        data = b"".join(self.pieces.get(_key(name, number), b"") for number in range(count))
        if crc32(data) != checksum:
            raise StateError(
                "The changelog of incidents has lost records. Check that its cleanup.policy is "
                "compact; delete the topic and type `returnwatch topics create` to begin anew."
            )
        return data


def records_of(kept: Kept, counts_before: dict[str, int]) -> list[KeyValue]:
    """The changelog records of a checkpoint, the header last; `counts_before`, how many pieces
    each part had, is brought up to date."""
    records: list[KeyValue] = []
    parts: dict[str, tuple[int, int]] = {}
    for name, data in kept.parts.items():
        starts = range(0, len(data), PIECE_BYTES_MAX)
        for number, at in enumerate(starts):
            records.append((_key(name, number), data[at : at + PIECE_BYTES_MAX]))
        before = range(len(starts), counts_before.get(name, 0))
        records += [(_key(name, number), None) for number in before]
        counts_before[name] = len(starts)
        parts[name] = (len(starts), crc32(data))
    header = {"format_version": FORMAT_VERSION, "offsets": kept.offsets, "parts": parts}
    return [*records, (HEADER_KEY, json.dumps(header, separators=(",", ":")).encode())]


def pieces_of(parts: Parts) -> dict[str, int]:
    """How many pieces each part has."""
    return {name: -(-len(data) // PIECE_BYTES_MAX) for name, data in parts.items()}


def _key(name: str, number: int) -> bytes:
    return b"p" + name.encode() + b":" + number.to_bytes(4, "big")
