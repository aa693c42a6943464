"""Replay: the verdicts on a stretch, made again by the worker's own tracker and codec."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.investigate.inputs import OnRead, read_portions
from streams.investigate.judge import Judge, Timeline
from streams.investigate.reading import Reading
from streams.investigate.snapshot import read_snapshot
from streams.investigate.spool import Spool, Tally
from streams.investigate.stretch import Portion
from streams.watch import Duty


@dataclass(slots=True)
class Replayed:
    """What came of a replay: a tally of each partition number, and what was held back."""

    tallies: list[Tally]
    held: list[str]


async def replay(
    client_options: Mapping[str, Any],
    duty: Duty,
    portions: Sequence[Portion],
    *,
    snapshot: Path | None = None,
    folder: Path,
    on_read: OnRead,
) -> Replayed:
    """Judge the portions and leave their alerts in `folder`, a file for each partition number;
    raises what `read_portions` and, with a snapshot to go on from, `read_snapshot` do."""
    numbers = [portion.partition for portion in portions]
    states = {} if snapshot is None else read_snapshot(snapshot, numbers).states
    with ExitStack() as stack:
        pairs: list[tuple[Reading, Judge, Spool]] = []
        for portion in portions:
            path = spool_path(folder, portion.partition)
            spool = stack.enter_context(Spool(path, portion.partition))
            place = duty.place(portion.partition)
            state = states.pop(portion.partition, None)
            judge = Judge(place, portion, Timeline(duty.policy), spool.tell, state)
            pairs.append((Reading(portion, (judge,)), judge, spool))
        readings = [reading for reading, _, _ in pairs]
        held = await read_portions(client_options, duty, readings, on_read=on_read)
    return Replayed([_tally(*pair) for pair in pairs], held)


def spool_path(folder: Path, partition: int) -> Path:
    """Where the alerts of a partition number are."""
    return folder / f"{partition}.alerts"


def _tally(reading: Reading, judge: Judge, spool: Spool) -> Tally:
    tally = spool.tally
    tally.counts = judge.counts
    tally.records = reading.records
    tally.dead_letters = judge.dead_letters
    tally.frontier_ms = reading.frontier_ms
    return tally
