"""Snapshots: the state of all partitions in one file, written from changelogs and read back.

A partition's state is that of one checkpoint, as its header says, so a reader of the inputs goes on
from the header's offsets. Partitions are independent, and so are their checkpoints.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from streams.failures import WrongUse, words
from streams.investigate.open_rows import Row, put_back
from streams.investigate.snapshot_lines import LinesWriter, read_lines
from streams.investigate.snapshot_parquet import ParquetWriter, parquet_modules, read_parquet
from streams.investigate.snapshot_parts import (
    DAMAGED,
    FORMAT_VERSION,
    About,
    Checkpoint,
    Damaged,
    OtherVersion,
    Part,
)
from streams.state.changelog import State
from streams.state.header import StateError

PARTITIONS_MAX: Final = 100_000  # Of a topic; a file that says more is none of ours.


class SnapshotError(WrongUse):
    """A snapshot that cannot be written or read; the text says why and what to do."""


class Writer(Protocol):
    """Writes one file, partition after partition."""

    def begin(self, checkpoint: Checkpoint) -> None: ...

    def add(self, rows: list[Row]) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a file holds: what it is of, and the state of each partition number that was asked
    for."""

    about: About
    states: dict[int, State] = field(default_factory=dict)


def refuse_unwritable(path: Path) -> None:
    """SnapshotError for a file that could not be written, before anything is read; WrongUse for
    Parquet without pyarrow."""
    if _is_parquet(path):
        parquet_modules()
    if path.is_dir() or not path.parent.is_dir():
        raise SnapshotError(f"{path} cannot be written: name a file in a folder that is there.")


def new_writer(path: Path, about: About) -> Writer:
    """By the ending of the file; raises what `refuse_unwritable` does."""
    return ParquetWriter(path, about) if _is_parquet(path) else LinesWriter(path, about)


def read_snapshot(path: Path, partitions: Collection[int] | None = None) -> Snapshot:
    """The snapshot in a file: all partition numbers, or those given.

    Each state is as a restore from the changelog gives it, checked against its header's counts.
    SnapshotError for a file that is not there, cut, changed or of another version.
    """
    wanted = range(PARTITIONS_MAX) if partitions is None else partitions
    try:
        found = _put_together(_parts(path, wanted), wanted)
        _check(found, partitions)
    except OSError as error:
        raise SnapshotError(f"The snapshot {path} cannot be read: {words(error)}.") from error
    except OtherVersion as error:
        raise SnapshotError(
            f"The snapshot {path} has format version {error}, this release reads {FORMAT_VERSION}: "
            "take it anew, or read it with the release that wrote it."
        ) from error
    except (Damaged, StateError, *DAMAGED) as error:
        raise SnapshotError(
            f"{path} is no whole snapshot: {words(error)}. Type: returnwatch snapshot {path}"
        ) from error
    return found


def _is_parquet(path: Path) -> bool:
    if path.suffix not in (".parquet", ".jsonl"):
        raise SnapshotError(
            f"{path} does not say by its ending what it is: give one that ends in .parquet or "
            ".jsonl."
        )
    return path.suffix == ".parquet"


def _parts(path: Path, wanted: Collection[int]) -> Iterator[Part]:
    return read_parquet(path, wanted) if _is_parquet(path) else read_lines(path, wanted)


def _put_together(parts: Iterator[Part], wanted: Collection[int]) -> Snapshot:
    about = next(parts, None)
    if not isinstance(about, About):
        raise Damaged("it does not begin with what it is of")
    found, texts = Snapshot(about), dict[str, str]()
    for part in parts:
        if isinstance(part, Checkpoint):
            texts |= part.texts
            if part.partition not in wanted:
                continue
            policies = {digest: texts[digest] for digest in part.policies}
            found.states[part.partition] = State(part.header, policies=policies)
        elif not isinstance(part, About):
            put_back(found.states[part["partition"]], part)
    return found


def _check(found: Snapshot, partitions: Collection[int] | None) -> None:
    wanted = range(found.about.partitions) if partitions is None else partitions
    missing = sorted(set(wanted) - found.states.keys())
    if missing:
        raise Damaged(f"partition {missing[0]} is missing")
    for partition, state in found.states.items():
        try:
            state.check()
        except StateError as error:
            raise Damaged(f"partition {partition} is not all there") from error
