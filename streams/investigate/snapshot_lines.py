"""A snapshot as JSON lines: the first says what it is, one stands before each partition's rows.

Times are RFC 3339, bytes are base64. What is about the snapshot stands under `snapshot` and
`checkpoint`, so that a database finds it in columns of its own.
"""

import base64
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import orjson

from schemas.times import rfc3339
from streams.investigate.open_rows import BYTES, COLUMNS, MOMENT, Row
from streams.investigate.snapshot_parts import DAMAGED, About, Checkpoint, Damaged, Part


def _text_of(packed: bytes) -> str:
    return base64.b64encode(packed).decode()


_SHOWN: Final[Mapping[str, Callable[[Any], str]]] = {MOMENT: rfc3339, BYTES: _text_of}
_TRANSLATED: Final = {
    name: _SHOWN[kind] for name, kind in COLUMNS.items() if kind in _SHOWN
}  # Columns that are not on the line what they are in memory.


class LinesWriter:
    """Writes one file; a context manager."""

    def __init__(self, path: Path, about: About) -> None:
        self._path = path
        self._about = about
        self._file: BinaryIO

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        self._put({"snapshot": self._about.document()})
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def begin(self, checkpoint: Checkpoint) -> None:
        """The rows that follow are this checkpoint's."""
        self._put({"checkpoint": checkpoint.document()})

    def add(self, rows: list[Row]) -> None:
        """Some rows of one partition; the file is whole when it is left."""
        for row in rows:
            shown = {name: value for name, value in row.items() if value is not None}
            for name in _TRANSLATED.keys() & shown.keys():
                shown[name] = _TRANSLATED[name](shown[name])
            self._put(shown)

    def _put(self, document: Mapping[str, Any]) -> None:
        self._file.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


def read_lines(path: Path, wanted: Container[int]) -> Iterator[Part]:
    """The parts of a file, of the rows those of the wanted partitions; Damaged for a line that is
    none."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                part = _part_of(orjson.loads(line))
            except DAMAGED as error:
                raise Damaged(f"line {number} is not one of a snapshot") from error
            if isinstance(part, About | Checkpoint) or part["partition"] in wanted:
                yield part


def _part_of(document: Any) -> Part:
    if "snapshot" in document:
        return About.read(document["snapshot"])
    if "checkpoint" in document:
        return Checkpoint.read(document["checkpoint"])
    packed = base64.b64decode(document["packed"], validate=True)
    needed = {name: document.get(name) for name in ("state", "order_id", "segment")}
    return {"partition": document["partition"], "packed": packed, **needed}
