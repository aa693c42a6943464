"""A snapshot as Parquet: a row group holds rows of one partition, the rest is file metadata.

Times are timestamps in UTC, bytes are bytes. What is about the snapshot stands in the file's
key-value metadata: `returnwatch.snapshot`, and `returnwatch.checkpoint.N` for each partition.
pyarrow is imported where it is needed: it is an extra, and takes half a second.
"""

from collections.abc import Container, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

from streams.failures import WrongUse
from streams.investigate.open_rows import BYTES, COLUMNS, FLAG, INTEGER, MOMENT, TEXT, Row
from streams.investigate.snapshot_parts import DAMAGED, About, Checkpoint, Damaged, Part

if TYPE_CHECKING:
    from types import ModuleType

SNAPSHOT_KEY: Final = "returnwatch.snapshot"
CHECKPOINT_KEY: Final = "returnwatch.checkpoint."
_NEEDED: Final = ["state", "partition", "order_id", "segment", "packed"]


class ParquetWriter:
    """Writes one file; a context manager."""

    def __init__(self, path: Path, about: About) -> None:
        self._pyarrow, self._parquet = parquet_modules()
        self._path = path
        self._told: dict[str, str] = {SNAPSHOT_KEY: _json(about.document())}
        self._schema = self._pyarrow.schema(
            [(name, self._type_of(kind)) for name, kind in COLUMNS.items()]
        )
        self._writer: Any = None

    def __enter__(self) -> Self:
        self._writer = self._parquet.ParquetWriter(self._path, self._schema, compression="zstd")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._writer.add_key_value_metadata(self._told)
        self._writer.close()

    def begin(self, checkpoint: Checkpoint) -> None:
        """The rows that follow are this checkpoint's."""
        self._told[f"{CHECKPOINT_KEY}{checkpoint.partition}"] = _json(checkpoint.document())

    def add(self, rows: list[Row]) -> None:
        """Some rows of one partition, as a row group; the file is whole when it is left."""
        self._writer.write_table(self._pyarrow.Table.from_pylist(rows, schema=self._schema))

    def _type_of(self, kind: str) -> Any:
        pyarrow = self._pyarrow
        return {
            TEXT: pyarrow.string(),
            INTEGER: pyarrow.int64(),
            MOMENT: pyarrow.timestamp("ms", tz="UTC"),
            FLAG: pyarrow.bool_(),
            BYTES: pyarrow.binary(),
        }[kind]


def read_parquet(path: Path, wanted: Container[int]) -> Iterator[Part]:
    """The parts of a file, of the rows those of the wanted partitions; Damaged for a file that is
    none."""
    pyarrow, parquet = parquet_modules()
    try:
        with parquet.ParquetFile(path) as file:
            yield from _told(file)
            for number in range(file.num_row_groups):
                statistics = file.metadata.row_group(number).column(1).statistics
                if statistics is None or statistics.min in wanted:
                    rows = file.read_row_group(number, columns=_NEEDED).to_pylist()
                    yield from (row for row in rows if row["partition"] in wanted)
    except (pyarrow.ArrowException, *DAMAGED) as error:
        raise Damaged("it is not one of a snapshot") from error


def _told(file: Any) -> Iterator[About | Checkpoint]:
    told: dict[bytes, bytes] = file.metadata.metadata or {}
    about = About.read(orjson.loads(told[SNAPSHOT_KEY.encode()]))
    yield about
    for partition in range(about.partitions):
        text = told[f"{CHECKPOINT_KEY}{partition}".encode()]
        yield Checkpoint.read(orjson.loads(text))


def _json(document: dict[str, Any]) -> str:
    return orjson.dumps(document).decode()


def parquet_modules() -> "tuple[ModuleType, ModuleType]":
    """pyarrow, and its part for Parquet; WrongUse where it is not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise WrongUse(
            "Parquet needs pyarrow, which is not installed: type pip install pyarrow, or give a "
            "file that ends in .jsonl."
        ) from error
    return pyarrow, parquet
