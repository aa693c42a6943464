"""Files of alerts, by their ending: JSON lines, CSV or Parquet; written and read again.

A file is there when it is complete: until then it stands beside under another name.
"""

import csv
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import orjson

from schemas.times import milliseconds, rfc3339
from streams.failures import WrongUse
from streams.investigate import columns
from streams.investigate.columns import Sheet
from streams.investigate.spool import Row

PARQUET_ROWS: Final = 10_000  # Of a row group, all of them in memory.
FIELD_BYTES_MAX: Final = 16 * 1024 * 1024  # Of a CSV file that is read; an alert has some kB.
STDOUT: Final = "-"

_INSTALL: Final = "Parquet needs pyarrow. Type: pip install 'returnwatch[parquet]'"


def check_out(out: str) -> None:
    """WrongUse for a file that cannot be written, before anything is read for it."""
    if out == STDOUT:
        return
    path = Path(out)
    if path.suffix not in _READERS:
        raise WrongUse(
            f"--out {out} must end in .jsonl, .csv or .parquet, or be - for JSON lines on standard "
            "output."
        )
    if path.suffix == ".parquet":
        _pyarrow()
    if not path.parent.is_dir():
        raise WrongUse(f"--out {out}: there is no folder {path.parent}.")


def write_rows(out: str, rows: Iterable[Row]) -> int:
    """Write alerts to a file, or to standard output; how many."""
    if out == STDOUT or Path(out).suffix == ".jsonl":
        return write_lines(out, (row.value for row in rows))
    table = (columns.row(rfc3339(row.effect_ms), row.value) for row in rows)
    return write_table(out, columns.ALERTS, table)


def write_table(out: str, sheet: Sheet, table: Iterable[dict[str, Any]]) -> int:
    """Write rows with these columns to a file, or to standard output; how many."""
    if out == STDOUT or Path(out).suffix == ".jsonl":
        return write_lines(out, map(orjson.dumps, table))
    write = _csv if Path(out).suffix == ".csv" else _parquet
    with _complete(Path(out)) as beside:
        return write(beside, sheet, table)


def write_lines(out: str, lines: Iterable[bytes]) -> int:
    """Write lines as they are to a file, or to standard output; how many."""
    if out == STDOUT:
        return _put_lines(sys.stdout.buffer, lines)
    with _complete(Path(out)) as beside, beside.open("wb") as file:
        return _put_lines(file, lines)


def values_of(path: Path) -> Iterator[bytes]:
    """The alert values of a file that was written so; WrongUse if it is none."""
    if path.suffix not in _READERS:
        raise WrongUse(f"{path} must end in .jsonl, .csv or .parquet.")
    try:
        yield from _READERS[path.suffix](path)
    except OSError as error:
        raise WrongUse(f"{path} cannot be read: {error.strerror or error}.") from error
    except (KeyError, UnicodeDecodeError, ValueError, csv.Error) as error:
        raise WrongUse(f"{path} is no file of alerts as --out writes them.") from error


@contextmanager
def _complete(path: Path) -> Iterator[Path]:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        raise WrongUse(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        beside.unlink(missing_ok=True)


def _put_lines(file: IO[bytes], lines: Iterable[bytes]) -> int:
    count = 0
    for line in lines:
        file.write(line + b"\n")
        count += 1
    file.flush()
    return count


def _csv(path: Path, sheet: Sheet, table: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, sheet.columns)
        writer.writeheader()
        for fields in table:
            writer.writerow(fields)
            count += 1
    return count


def _parquet(path: Path, sheet: Sheet, table: Iterable[dict[str, Any]]) -> int:
    pyarrow, parquet = _pyarrow()
    types = [(name, _type_of(name, sheet, pyarrow)) for name in sheet.columns]
    schema = pyarrow.schema(types)
    count = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for batch in _batches(sheet, table):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def _batches(sheet: Sheet, table: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for fields in table:
        for name in sheet.times:
            if fields.get(name) is not None:
                fields[name] = milliseconds(fields[name])
        batch.append(fields)
        if len(batch) == PARQUET_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _type_of(name: str, sheet: Sheet, pyarrow: Any) -> Any:
    if name in sheet.times:
        return pyarrow.timestamp("ms", tz="UTC")
    return pyarrow.int64() if name in sheet.integers else pyarrow.string()


def _read_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield line.rstrip(b"\r\n")


def _read_csv(path: Path) -> Iterator[bytes]:
    csv.field_size_limit(FIELD_BYTES_MAX)
    with path.open(encoding="utf-8", newline="") as file:
        for fields in csv.DictReader(file):
            yield fields["value"].encode()


def _read_parquet(path: Path) -> Iterator[bytes]:
    _, parquet = _pyarrow()
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(PARQUET_ROWS, columns=["value"]):
            for value in batch.column("value").to_pylist():
                yield value.encode()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise WrongUse(_INSTALL) from error
    return pyarrow, pyarrow.parquet


_READERS: Final[dict[str, Callable[[Path], Iterator[bytes]]]] = {
    ".jsonl": _read_lines,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
