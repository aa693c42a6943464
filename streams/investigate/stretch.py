"""A stretch of the two input topics: as it is asked for, and what that means for a partition.

A limit is a time, which is an arrival in the sequence, or offsets: `0:100/80` is where, in
partition 0, the submitted topic stands at offset 100 and the returned one at 80; that limit is
the arrival of the earlier of the two records that stand there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from streams.core.history import History
from streams.core.rules import Policy
from streams.core.sequence import NEVER_MS
from streams.failures import WrongUse
from streams.moments import WrongTime, time_ms

Pair = tuple[int, int]  # Of the two sides, submitted first.

_OFFSETS: Final = re.compile(r"[0-9]{1,9}:[0-9]{1,18}/[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Limit:
    """Where a stretch begins or ends: a time in ms, or offsets by partition; neither: the log's
    own start or end."""

    time_ms: int | None = None
    offsets: Mapping[int, Pair] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """The stretch as it was asked for."""

    start: Limit
    end: Limit

    def chosen(self, partitions: int) -> list[int]:
        """The partition numbers it is about: those that the offsets name, else all."""
        named = [set(limit.offsets) for limit in (self.start, self.end) if limit.offsets]
        if not named:
            return list(range(partitions))
        if len(named) == 2 and named[0] != named[1]:
            raise WrongUse("--from and --to name offsets of different partitions: name the same.")
        beyond = [number for number in sorted(named[0]) if number >= partitions]
        if beyond:
            raise WrongUse(
                f"There is no partition {beyond[0]}: the inputs have {partitions}, counted from 0."
            )
        return sorted(named[0])


@dataclass(frozen=True, slots=True)
class Portion:
    """What is read of one partition number: offsets [starts, ends), which are complete up to
    `proven_ms`. Verdicts count that take effect in [from_ms, to_ms); `until` is about where the
    reading ends."""

    partition: int
    starts: Pair
    ends: Pair
    until: Pair
    proven_ms: int
    from_ms: int
    to_ms: int
    history: History = field(default_factory=History)
    entered_ms: int | None = None  # What arrived before was passed over; None: nothing was.
    # Of a snapshot that it goes on from: the arrival of what was worked last, and the frontier.
    arrivals_ms: Pair = (NEVER_MS, NEVER_MS)
    frontier_ms: int = NEVER_MS
    notes: tuple[str, ...] = ()  # What cannot be known, a sentence each.

    @property
    def offsets(self) -> int:
        """About how many offsets are read."""
        return sum(until - start for start, until in zip(self.starts, self.until, strict=True))


def asked(start: str | None, end: str | None, now: datetime) -> Asked:
    """The stretch between two limits as they are typed; WrongUse with a sentence."""
    made = Asked(_limit(start, now, option="--from"), _limit(end, now, option="--to"))
    from_ms, to_ms = made.start.time_ms, made.end.time_ms
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise WrongUse(f"--to {end} is not after --from {start}: nothing lies between.")
    return made


def read_back_ms(policy: Policy) -> int:
    """How far before a stretch its reading has to begin.

    An order that is open at the start was submitted at most the longest deadline before; what may
    change its row in the table are orders closed or timed out `remember` before that, and the end
    of `remember` and of `hold` in the stretch.
    """
    return policy.rules.longest_ms + 2 * policy.remember_ms + policy.hold_ms


def _limit(text: str | None, now: datetime, *, option: str) -> Limit:
    if text is None:
        return Limit()
    parts = text.split(",")
    if not all(_OFFSETS.fullmatch(part) for part in parts):
        try:
            return Limit(time_ms(text, now, option=option))
        except WrongTime as error:
            raise WrongTime(
                f"{option} {text} is no place in the topics: give a time like 2026-01-31T12:00:00Z "
                "or -2h, or offsets like 0:100/80 (partition:submitted/returned), several with "
                "commas."
            ) from error
    offsets: dict[int, Pair] = {}
    for part in parts:
        partition, submitted, returned = map(int, re.split("[:/]", part))
        if offsets.setdefault(partition, (submitted, returned)) != (submitted, returned):
            raise WrongUse(f"{option} names partition {partition} twice.")
    return Limit(offsets=offsets)
