"""Who tells and who is silent, partition number by partition number, in rounds of log time.

A partition number that is not told about holds the seconds of all others back. Once it has missed
BEATS_MISSED_MAX rounds in which others were heard, its seconds count as told, and the rest goes on;
of what it tells later, the seconds that went on without it are left out. What goes on without whom
is a function of the log: a round (HEARTBEAT_S of the log's time) is closed when of every partition
number all records in it are known, because a later one was read, or because its log ended there
when others had been read beyond (`absent`). In what order logs are read changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.stats import HEARTBEAT_S, Heartbeat, Stats, StatsRecord, encode_stats, read_stats
from schemas.times import SECOND_MS

ROUND_MS: Final = HEARTBEAT_S * SECOND_MS
BEATS_MISSED: Final = 4  # In a row; one or two can be late.
BEATS_MISSED_MAX: Final = 24  # Two minutes; a partition that moves is restored meanwhile.
SKEW_ROUNDS: Final = 2  # The clocks of two brokers are nearer than that.


@dataclass(frozen=True, slots=True)
class Round:
    """A closed round: its end, the newest heartbeat of each partition number that was heard, and
    of those that have missed BEATS_MISSED rounds since when (ms; None for ever)."""

    end_ms: int
    beats: tuple[Heartbeat, ...]
    missing: dict[int, int | None]


@dataclass(slots=True)
class _Line:
    """One partition number. `heard` is the newest round in which it was, `known` the last of which
    all is known, `closed` the last closed one in which it was heard; `steps` are what it told
    since the newest closed round."""

    heard: int | None = None
    known: int = -1
    closed: int | None = None
    missed: int = 0
    complete_s: int = 0
    stood_in_s: int = 0  # Before it, seconds went on without this one.
    steps: list[tuple[int, int]] = field(default_factory=list)  # Round, complete_s.
    beats: list[tuple[int, Heartbeat]] = field(default_factory=list)
    held: list[tuple[int, StatsRecord]] = field(default_factory=list)

    def is_gap(self, number: int) -> bool:
        """Whether so many rounds may have been missed that others went on."""
        return self.heard is None or number - self.heard > BEATS_MISSED_MAX

    def pending(self) -> int | None:
        """The first round that is not closed and that it was heard in."""
        rounds = [its[0][0] for its in (self.steps, self.held) if its]
        return min(rounds, default=None)

    def accept(self, number: int, record: StatsRecord) -> StatsRecord:
        """The record, without the seconds that went on without it."""
        self.heard = number
        self.steps.append((number, record.complete_s))
        if isinstance(record, Heartbeat):
            self.beats.append((number, record))
            return record
        kept = [second for second in record.seconds if second.second_s >= self.stood_in_s]
        return Stats(record.partition, record.complete_s, kept)

    def close(self, number: int) -> Heartbeat | None:
        """Note what it told in a round, and give its newest heartbeat in it."""
        mine = [complete_s for at, complete_s in self.steps if at == number]
        beats = [beat for at, beat in self.beats if at == number]
        self.missed = 0 if mine else self.missed + 1
        self.closed = number if mine else self.closed
        self.complete_s = max([self.complete_s, *mine])
        self.steps = self.steps[len(mine) :]
        self.beats = self.beats[len(beats) :]
        return beats[-1] if beats else None


class Rollcall:
    """One for all partition numbers; what it gives is worked in that order."""

    def __init__(self) -> None:
        self.partitions = 0  # As the newest heartbeat says; nothing is told before one.
        self._lines: dict[int, _Line] = {}

    def take(self, record: StatsRecord, at_ms: int) -> list[StatsRecord | Round]:
        """The next record of a partition number, and its time in the log."""
        line = self._lines.setdefault(record.partition, _Line())
        number = max(at_ms // ROUND_MS, line.known + 1)  # The time of a log never goes back.
        line.known = number - 1
        if isinstance(record, Heartbeat):
            self.partitions = max(self.partitions, record.partitions)
            for partition in range(self.partitions):
                self._lines.setdefault(partition, _Line())
        if line.held or line.is_gap(number):
            line.held.append((number, record))
            return list(self._settled())
        return [line.accept(number, record), *self._settled()]

    def unheard(self) -> dict[int, int]:
        """Partition numbers that others are far ahead of, and the round up to which each is absent
        if its log has no record beyond those that were taken."""
        newest = max((line.known for line in self._lines.values()), default=-1)
        return {
            partition: newest - SKEW_ROUNDS
            for partition, line in sorted(self._lines.items())
            if line.known < newest - BEATS_MISSED - SKEW_ROUNDS
        }

    def absent(self, partition: int, number: int) -> list[StatsRecord | Round]:
        """Its log ended, when `unheard` had been asked before, with what was taken of it."""
        line = self._lines[partition]
        line.known = max(line.known, number)
        return list(self._settled())

    def _settled(self) -> Iterator[StatsRecord | Round]:
        lines = sorted(self._lines.items())
        while (number := self._pending()) is not None:
            for _, line in lines:
                yield from self._let_in(line, number)
            if any(line.known < number for _, line in lines):
                return
            beats = [line.close(number) for _, line in lines]
            missing = {
                partition: None if line.closed is None else (line.closed + 1) * ROUND_MS
                for partition, line in lines
                if line.missed >= BEATS_MISSED
            }
            heard = tuple(beat for beat in beats if beat is not None)
            yield Round((number + 1) * ROUND_MS, heard, missing)
            yield from self._stand_in()

    def _pending(self) -> int | None:
        """The first round to close; None where there is none, or what is before it is not known."""
        rounds = [at for line in self._lines.values() if (at := line.pending()) is not None]
        number = min(rounds, default=None)
        if number is None or not self.partitions:
            return None
        return number if all(line.known >= number - 1 for line in self._lines.values()) else None

    def _let_in(self, line: _Line, number: int) -> Iterator[StatsRecord]:
        """What came after a gap, once all rounds before it are closed."""
        while line.held and (line.held[0][0] == number or not line.is_gap(line.held[0][0])):
            yield line.accept(*line.held.pop(0))

    def _stand_in(self) -> Iterator[Stats]:
        lines = sorted(self._lines.items())
        present = [line for _, line in lines if line.missed < BEATS_MISSED_MAX]
        to_s = min(max(line.complete_s, line.stood_in_s) for line in present)
        for partition, line in lines:
            if line.missed >= BEATS_MISSED_MAX and to_s > max(line.complete_s, line.stood_in_s):
                line.stood_in_s = to_s
                yield Stats(partition, to_s)

    def state(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        return {
            "partitions": self.partitions,
            "lines": [[partition, _values(line)] for partition, line in self._lines.items()],
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Rollcall":
        """The same again."""
        made = cls()
        made.partitions = state["partitions"]
        for partition, values in state["lines"]:
            told = {
                name: [(at, read_stats(text.encode())) for at, text in values[name]]
                for name in ("beats", "held")
            }
            steps = [(at, complete_s) for at, complete_s in values["steps"]]
            made._lines[partition] = _Line(**(values | told | {"steps": steps}))
        return made


def _values(line: _Line) -> dict[str, Any]:
    values = {name: getattr(line, name) for name in line.__slots__}
    for name in ("beats", "held"):
        values[name] = [[at, encode_stats(record).decode()] for at, record in values[name]]
    return values
