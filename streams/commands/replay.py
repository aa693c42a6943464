"""`returnwatch replay`: the verdicts on a stretch of the topics, again or under other rules."""

import asyncio
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

from streams.commands.comparing import LIVE, check_set, compared, live_values
from streams.commands.console import err, out
from streams.commands.meter import Meter
from streams.commands.options import StretchOptions, WarmUpOptions, WhatIfOptions
from streams.commands.summaries import show_differences, show_replay
from streams.failures import WrongUse
from streams.interpreter import tune
from streams.investigate.outputs import STDOUT, check_out, values_of, write_rows
from streams.investigate.publishing import Publication, publish
from streams.investigate.replay import Replayed
from streams.investigate.session import Session, rows
from streams.investigate.spool import Row
from streams.investigate.stretch import Portion
from streams.permissions import Operation
from streams.reachable import reachable
from streams.settings import Settings, load_settings
from streams.topics import counted, wanted_topics


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to become of the alerts, besides a summary."""

    out: Annotated[
        str | None,
        Parameter(
            name="--out",
            help="Keep them in a file .jsonl, .csv or .parquet; - is JSON lines on standard "
            "output.",
            allow_leading_hyphen=True,
        ),
    ] = None
    to_topic: Annotated[
        str | None,
        Parameter(name="--to-topic", help="Write them to this topic, a replay_id in the headers."),
    ] = None
    diff: Annotated[
        str | None,
        Parameter(name="--diff", help="Compare them with a file's, or `live`: with what was told."),
    ] = None

    def check(self, settings: Settings) -> None:
        """WrongUse for what cannot be fulfilled, before anything is read."""
        if self.out is not None:
            check_out(self.out)
        if self.diff is not None:
            check_set(self.diff)
        if self.to_topic in {topic.name for topic in wanted_topics(settings)}:
            raise WrongUse(
                f"--to-topic {self.to_topic} is one of the worker's own topics, whose readers would"
                " take a replay for the truth: give another."
            )


def replay(
    *,
    stretch: StretchOptions | None = None,
    warm_up: WarmUpOptions | None = None,
    what_if: WhatIfOptions | None = None,
    wishes: Wishes | None = None,
    processes: Annotated[
        int,
        Parameter(help="Spread the partitions over so many.", validator=Number(gte=1, lte=64)),
    ] = 1,
) -> int:
    """Make the verdicts on a stretch of the topics again, or see those of other rules.

    Reads beside the worker, in no consumer group, and gives the worker's alerts, byte for byte.
    With --diff the status is 1 where there is a difference.

    Example: returnwatch replay --from=-2h --return-within-s 8 --diff live
    """
    asked = (stretch or StretchOptions()).asked()
    wishes = wishes or Wishes()
    overrides = (what_if or WhatIfOptions()).overrides()
    settings = load_settings(**overrides)
    wishes.check(settings)
    warm_up = warm_up or WarmUpOptions()
    session = Session.of(settings, overrides, warm_up.snapshot)
    tune()
    portions = asyncio.run(session.plan(asked, back_ms=warm_up.back_ms))
    if wishes.to_topic is not None:
        asyncio.run(_check_topic(settings, wishes.to_topic, portions))
    with tempfile.TemporaryDirectory(prefix="returnwatch-replay-") as name:
        began_s = time.monotonic()
        with Meter("replaying", sum(portion.offsets for portion in portions)) as meter:
            done = session.run(portions, Path(name), processes=processes, on_read=meter.add)
        show_replay(_console(wishes), portions, done, took_s=time.monotonic() - began_s)
        return _fulfil(wishes, _Made(session, portions, done, Path(name)))


async def _check_topic(settings: Settings, topic: str, portions: list[Portion]) -> None:
    found = (await reachable(settings, [topic], Operation.WRITE))[topic]
    needed = max(portion.partition for portion in portions) + 1
    if found.partitions < needed:
        raise WrongUse(
            f"{topic} has {counted(found.partitions, 'partition')}, the alerts of this replay need"
            f" {needed}: widen it, or give another."
        )


@dataclass(frozen=True, slots=True)
class _Made:
    """A replay that is done, its alerts in a folder."""

    session: Session
    portions: list[Portion]
    done: Replayed
    folder: Path

    def rows(self) -> Iterator[Row]:
        return rows(self.portions, self.folder)

    def spans(self) -> dict[int, tuple[int, int]]:
        """What was judged of each partition number."""
        frontiers = {tally.partition: tally.frontier_ms for tally in self.done.tallies}
        return {it.partition: (it.from_ms, frontiers[it.partition]) for it in self.portions}


def _console(wishes: Wishes) -> Console:
    return err if wishes.out == STDOUT else out


def _fulfil(wishes: Wishes, made: _Made) -> int:
    console = _console(wishes)
    if wishes.out is not None:
        count = write_rows(wishes.out, made.rows())
        if wishes.out != STDOUT:
            console.print(f"{count:,} alerts are in {wishes.out}.", markup=False)
    if wishes.to_topic is not None:
        count, replay_id = _publish(wishes.to_topic, made)
        told = f"{count:,} alerts were written to {wishes.to_topic}, replay_id {replay_id}."
        console.print(told, markup=False)
    return 0 if wishes.diff is None else _compare(console, wishes.diff, made)


def _publish(topic: str, made: _Made) -> tuple[int, str]:
    settings = made.session.settings
    replay_id = str(uuid.uuid4())
    marks = (
        ("returnwatch-settings", made.session.policy.digest().encode()),
        ("replay_id", replay_id.encode()),
    )
    publication = Publication(topic, f"/returnwatch/{settings.app_id}", marks)
    options = settings.kafka_client_options()
    return asyncio.run(publish(options, publication, made.rows())), replay_id


def _compare(console: Console, other: str, made: _Made) -> int:
    """The other set is the first, so that what this replay has more is added."""
    values = (
        live_values(made.session.settings, made.spans())
        if other == LIVE
        else values_of(Path(other))
    )
    found = compared(values, (row.value for row in made.rows()))
    console.print(f"Against {other}, which has {found.sizes[0]:,} alerts:", markup=False)
    show_differences(console, found)
    return int(found.are_any)
