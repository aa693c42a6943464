"""The last minute of seconds, with the sums of its newest part, and spans without an answer."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from schemas.stats import Stats, StatsRow, StatsSecond, encode_stats, read_stats
from streams.core.gauges import Scope
from streams.core.incidents.scan import covers
from streams.core.incidents.signs import ANSWERED, SUBMITTED, Signs, Table, put, take_out

KEPT_S: Final = 60
RECENT_S: Final = 10
GAP_S: Final = 5  # A run of signs may pause so long.


@dataclass(frozen=True, slots=True)
class Seen:
    """One second, with the signs of each of its rows."""

    second_s: int
    rows: list[StatsRow]
    signs: list[Signs]
    leaves: list[tuple[Scope, Signs]] = field(init=False)  # The signs, each with its row's scope.
    _flows: dict[Scope, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scopes = [row.scope for row in self.rows]
        object.__setattr__(self, "leaves", list(zip(scopes, self.signs, strict=True)))

    def flow(self, scope: Scope) -> tuple[int, int]:
        """Orders submitted and answered in a scope; kept, because an open incident asks for a
        whole minute of them each second."""
        flow = self._flows.get(scope)
        if flow is None:
            inside = [signs for at, signs in self.leaves if covers(scope, at)]
            submitted = sum(signs[SUBMITTED] for signs in inside)
            answered = sum(signs[ANSWERED] for signs in inside)
            flow = self._flows[scope] = submitted, answered
        return flow


class Silent(NamedTuple):
    """The longest span without an answer: from when, how long, orders submitted in it, and how
    many answers a second came before it."""

    since_s: int
    seconds: int
    orders: int
    before_per_s: float


class Window:
    """Seconds in order, none left out."""

    def __init__(self) -> None:
        self.seconds: deque[Seen] = deque()
        self.recent: Table = {}  # The sums of the newest RECENT_S seconds.

    def push(self, seen: Seen) -> Seen | None:
        """Take in the next second; gives the one that is too old by now."""
        assert not self.seconds or seen.second_s > self.seconds[-1].second_s, "seconds go on"
        self.seconds.append(seen)
        for scope, signs in seen.leaves:
            put(self.recent, scope, signs)
        if len(self.seconds) > RECENT_S:
            left = self.seconds[-1 - RECENT_S]
            for scope, signs in left.leaves:
                take_out(self.recent, scope, signs)
        return self.seconds.popleft() if len(self.seconds) > KEPT_S else None

    def since(self, second_s: int) -> Iterator[Seen]:
        """The seconds from that one on."""
        return (seen for seen in self.seconds if seen.second_s >= second_s)

    def began(self, scope: Scope, sign: int, *, before_s: int) -> int:
        """Where the run of that sign in the scope began that goes on until `before_s`."""
        first_s = before_s
        for seen in reversed(self.seconds):
            if seen.second_s > before_s:
                continue
            if first_s - seen.second_s > GAP_S:
                break
            for at, signs in seen.leaves:
                if signs[sign] and covers(scope, at):
                    first_s = seen.second_s
        return first_s

    def submitted(self, lag_s: int) -> dict[Scope, int]:
        """Orders submitted in a span as long as the newest, so many seconds earlier."""
        found: dict[Scope, int] = {}
        end = len(self.seconds) - lag_s
        for at in range(max(0, end - RECENT_S), max(0, end)):
            seen = self.seconds[at]
            for scope, signs in seen.leaves:
                if signs[SUBMITTED]:
                    found[scope] = found.get(scope, 0) + signs[SUBMITTED]
        return found

    def silent(self, scope: Scope) -> Silent:
        """The span without an answer in which most orders of the scope were submitted."""
        pairs = [seen.flow(scope) for seen in self.seconds]
        best, start = (0, 0, 0), 0  # Orders, from, to.
        for at, (_, answered) in enumerate([*pairs, (0, 1)]):
            if answered:
                orders = sum(submitted for submitted, _ in pairs[start:at])
                best = max(best, (orders, -start, at))
                start = at + 1
        orders, start, end = best[0], -best[1], best[2]
        before = [answered for _, answered in pairs[:start]]
        since_s = self.seconds[start].second_s if start < len(self.seconds) else 0
        return Silent(since_s, end - start, orders, sum(before) / max(1, len(before)))

    def state(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        seconds = [StatsSecond(seen.second_s, seen.rows) for seen in self.seconds]
        return {
            "rows": encode_stats(Stats(0, 0, seconds)).decode(),
            "signs": [seen.signs for seen in self.seconds],
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Window":
        """The same again."""
        made = cls()
        stats = read_stats(state["rows"].encode())
        assert isinstance(stats, Stats), "a window is of seconds"
        for second, signs in zip(stats.seconds, state["signs"], strict=True):
            made.push(Seen(second.second_s, second.rows, signs))
        return made
