"""Takes a snapshot: every partition's changelog read once, to a file and to its summary.

One partition's state is in memory at a time. A file appears whole or not at all.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Final

from streams.failures import words
from streams.investigate.changelogs import changelog_partitions, partition_states
from streams.investigate.open_orders import OpenOrders
from streams.investigate.open_rows import Row, rows_of
from streams.investigate.snapshot import Writer, new_writer, refuse_unwritable
from streams.investigate.snapshot_parts import About, Checkpoint
from streams.settings import Settings
from streams.state.changelog import State

ROWS_MAX: Final = 20_000  # Written at once, and of a row group of Parquet: some megabytes.


OnProgress = Callable[[int, int], None]


class NotWritten(Exception):
    """The disk did not take the file; the text says which and why."""


async def take_snapshot(
    settings: Settings, path: Path | None, *, at_ms: int, on_progress: OnProgress
) -> OpenOrders:
    """The summary of what the changelogs hold now, and the file if one is named; ages are as of
    `at_ms`, a wall clock's. `on_progress` is told how many partitions are done, of how many.

    SnapshotError for a file that cannot be meant, NotWritten where the disk does not take it; else
    what streams.investigate.changelogs raises.
    """
    if path is not None:
        refuse_unwritable(path)
    partitions = await changelog_partitions(settings)
    about = _about(settings, partitions, at_ms)
    with _whole(path, about) as writer:
        taking = Taking(OpenOrders(at_ms), writer)
        on_progress(0, partitions)
        async for partition, state in partition_states(settings, partitions):
            taking.add(partition, state)
            on_progress(partition + 1, partitions)
    return taking.summary


@dataclass(slots=True)
class Taking:
    """A snapshot being taken: partition after partition, into the summary and the file if any."""

    summary: OpenOrders
    writer: Writer | None
    _texts: dict[str, str] = field(default_factory=dict)

    def add(self, partition: int, state: State) -> None:
        """The state of the next partition number."""
        self.summary.begin(state.header)
        if self.writer is not None:
            self.writer.begin(Checkpoint.of(partition, state, self._texts))
        for rows in _some(rows_of(partition, state, self.summary.at_ms)):
            for row in rows:
                self.summary.add(row)
            if self.writer is not None:
                self.writer.add(rows)


def _about(settings: Settings, partitions: int, at_ms: int) -> About:
    return About(
        app_id=settings.app_id,
        partitions=partitions,
        submitted_topic=settings.submitted_topic,
        returned_topic=settings.returned_topic,
        taken_at_ms=at_ms,
        returnwatch=version("returnwatch"),
    )


def _some(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while some := list(islice(left, ROWS_MAX)):
        yield some


@contextmanager
def _whole(path: Path | None, about: About) -> Iterator[Writer | None]:
    """A writer beside the file, which takes its place once all is written."""
    if path is None:
        yield None
        return
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        with new_writer(beside, about) as writer:
            yield writer
        beside.replace(path)
    except OSError as error:
        raise NotWritten(f"{path} was not written: {words(error)}.") from error
    finally:
        beside.unlink(missing_ok=True)
