"""Records of all partition numbers, put into seconds that are complete in all of them.

Owns how far each partition number is, and what of the seconds waits. The seconds it gives do not
depend on how the records of the partition numbers were interleaved.
"""

from typing import Any, Final

from schemas.stats import (
    Heartbeat,
    Stats,
    StatsRecord,
    StatsRow,
    StatsSecond,
    encode_stats,
    read_stats,
)
from streams.core import compiled
from streams.core.gauges import Scope, by_scope
from streams.core.rows import add

EMPTY_SECONDS_MAX: Final = 120  # Given one by one; more of them in a row are passed over.


class Feed:
    """What waits until every partition number has passed its second."""

    def __init__(self) -> None:
        self.partitions = 0  # As the newest heartbeat says; nothing is complete before one.
        self.next_s: int | None = None
        self._complete_s: dict[int, int] = {}
        self._waiting: dict[int, list[StatsRow]] = {}

    def take(self, record: StatsRecord) -> list[StatsSecond]:
        """The seconds that this record completes, in order, each scope's rows added up."""
        if isinstance(record, Heartbeat):
            self.partitions = max(self.partitions, record.partitions)
        else:
            self._keep(record)
        before = self._complete_s.get(record.partition, 0)
        self._complete_s[record.partition] = max(before, record.complete_s)
        if not self.partitions or len(self._complete_s) < self.partitions:
            return []
        return list(self._completed(min(self._complete_s.values())))

    def _keep(self, record: Stats) -> None:
        told_s = self._complete_s.get(record.partition, 0)
        for second in record.seconds:
            if second.second_s >= told_s:  # A second told again changes nothing.
                self._waiting.setdefault(second.second_s, []).extend(second.rows)

    def _completed(self, to_s: int) -> list[StatsSecond]:
        if self.next_s is None:
            ready = [second_s for second_s in self._waiting if second_s < to_s]
            if not ready:
                return []
            self.next_s = min(ready)
        given: list[StatsSecond] = []
        empty = 0
        while self.next_s < to_s:
            rows = self._waiting.pop(self.next_s, None)
            if rows is None and empty >= EMPTY_SECONDS_MAX:
                self.next_s = min((at for at in self._waiting if at < to_s), default=to_s)
                empty = 0
                continue
            empty = empty + 1 if rows is None else 0
            given.append(StatsSecond(self.next_s, _added_up(rows or [])))
            self.next_s += 1
        return given

    def state(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        seconds = [StatsSecond(at, rows) for at, rows in sorted(self._waiting.items())]
        return {
            "partitions": self.partitions,
            "next_s": self.next_s,
            "complete_s": list(self._complete_s.items()),
            "waiting": encode_stats(Stats(0, 0, seconds)).decode(),
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Feed":
        """The same again."""
        made = cls()
        made.partitions, made.next_s = state["partitions"], state["next_s"]
        made._complete_s = dict(state["complete_s"])
        waiting = read_stats(state["waiting"].encode())
        assert isinstance(waiting, Stats), "what waits is seconds"
        made._waiting = {second.second_s: second.rows for second in waiting.seconds}
        return made


def _added_up(rows: list[StatsRow]) -> list[StatsRow]:
    """One row for each scope, in order; rows of one scope alone are the very same."""
    if compiled.is_there():
        return compiled.sums.added_up(rows)
    found: dict[Scope, StatsRow] = {}
    for row in rows:
        to = found.get(row.scope)
        if to is None:
            found[row.scope] = row
        else:
            add(to, row)
    return [found[scope] for scope in sorted(found, key=by_scope)]
