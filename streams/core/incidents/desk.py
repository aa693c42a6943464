"""The incidents of an application: seconds of counts in, incidents opened, updated and closed out.

Takes what a roll call makes of the records of order-stats, in which partition numbers may be
interleaved in any way.
Holds all state; the same records give the same incidents, from any state it was restored from.
"""

import json
from typing import Any, Final

from schemas.incidents import Incident, encode_incident, read_incident
from schemas.stats import StatsRecord, StatsSecond
from schemas.times import SECOND_MS
from streams.core.incidents.baseline import Baseline
from streams.core.incidents.codes import CodeClasses
from streams.core.incidents.detective import Detective
from streams.core.incidents.fault import Fault
from streams.core.incidents.feed import Feed
from streams.core.incidents.monitor import Monitor
from streams.core.incidents.rollcall import Round
from streams.core.incidents.scan import covers, is_covered
from streams.core.incidents.signs import ANSWERED, signs_of
from streams.core.incidents.silences import Silence
from streams.core.incidents.window import Seen, Window

FORMAT_VERSION: Final = 1
QUIET_S: Final = 60  # Without a sign, and with answers again, an incident is over.
ANSWERS_MIN: Final = 5  # In its scope since the last sign, to show that it works again.
SILENT_S: Final = 900  # Without a sign nor an answer it is over, too: nothing is sent there.


class Desk:
    """One for all partition numbers."""

    def __init__(self, codes: CodeClasses) -> None:
        self._codes = codes
        self._silences: list[Silence] = []
        self._feed = Feed()
        self._monitor = Monitor()
        self._baseline = Baseline()
        self._window = Window()
        self._faults: list[Fault] = []
        self._told: dict[str, Incident] = {}

    def take(self, called: StatsRecord | Round) -> list[Incident]:
        """What comes next of a roll call leads to."""
        if isinstance(called, Round):
            told = self._monitor.take(called)
        else:
            told = [it for second in self._feed.take(called) for it in self.work(second)]
        for incident in told:
            if incident.state == "closed":
                self._told.pop(incident.incident_id, None)
            else:
                self._told[incident.incident_id] = incident
        return told

    def work(self, second: StatsSecond) -> list[Incident]:
        """What the next second leads to, its rows being those of all partition numbers."""
        second_s, rows = second.second_s, second.rows
        slow_from = self._baseline.slow_from
        signs = [signs_of(row, self._codes, slow_from(row.provider)) for row in rows]
        seen = Seen(second_s, rows, signs)
        left = self._window.push(seen)
        if left is not None:
            self._learn(left)
        self._baseline.pass_to(second_s)
        detective = Detective(self._window, self._baseline, self._faults)
        for fault in self._faults:
            self._take(fault, seen)
            detective.follow(fault, seen)
        opened = detective.opened(seen)
        for fault in opened:
            fault.silenced = self._silence_of(fault)
        told = [fault.tell("opened", second_s) for fault in opened]
        return [*self._news(opened, second_s), *told]

    def incidents(self) -> list[Incident]:
        """Those that are open, as they were told last."""
        return list(self._told.values())

    def silence(self, silences: list[Silence]) -> None:
        """From now on these silences hold, and no others."""
        self._silences = list(silences)

    @property
    def next_s(self) -> int | None:
        """The second that is worked next; None before the first."""
        return self._feed.next_s

    def _take(self, fault: Fault, seen: Seen) -> None:
        for row, (scope, signs) in zip(seen.rows, seen.leaves, strict=True):
            fault.take(row, scope, signs)
            if covers(fault.scope, scope):
                fault.answered_since_sign += signs[ANSWERED]

    def _news(self, opened: list[Fault], second_s: int) -> list[Incident]:
        told: list[Incident] = []
        for fault in [it for it in self._faults if all(it is not new for new in opened)]:
            if self._is_over(fault, second_s):
                self._faults.remove(fault)
                told.append(fault.tell("closed", second_s))
            elif fault.is_news():
                told.append(fault.tell("updated", second_s))
        return told

    def _is_over(self, fault: Fault, second_s: int) -> bool:
        quiet_s = second_s - fault.last_sign_s
        if quiet_s < QUIET_S:
            return False
        return fault.answered_since_sign >= ANSWERS_MIN or quiet_s >= SILENT_S

    def _learn(self, seen: Seen) -> None:
        troubled = [fault.scope for fault in self._faults]
        for row, (scope, signs) in zip(seen.rows, seen.leaves, strict=True):
            if not is_covered(troubled, scope):
                self._baseline.learn(scope, signs)
                if row.delays:
                    self._baseline.learn_delays(row.provider, row.delays)

    def _silence_of(self, fault: Fault) -> str | None:
        for silence in self._silences:
            if silence.holds(fault.scope, fault.opened_s * SECOND_MS):
                return silence.why
        return None

    def to_bytes(self) -> bytes:
        """All of the state but the silences and the code classes."""
        state = {
            "format_version": FORMAT_VERSION,
            "feed": self._feed.state(),
            "monitor": self._monitor.state(),
            "baseline": self._baseline.state(),
            "window": self._window.state(),
            "faults": [fault.state() for fault in self._faults],
            "told": [encode_incident(incident).decode() for incident in self._told.values()],
        }
        return json.dumps(state, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes, codes: CodeClasses) -> "Desk":
        """The same again; ValueError for what is none of ours, or of another version."""
        try:
            state: dict[str, Any] = json.loads(data)
            version = state["format_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"The state of the incidents cannot be read ({error}).") from error
        if version != FORMAT_VERSION:
            raise ValueError(
                f"The state of the incidents has format version {version}, this one writes "
                f"{FORMAT_VERSION}: run the version of returnwatch that wrote it."
            )
        made = cls(codes)
        made._feed = Feed.restored(state["feed"])
        made._monitor = Monitor.restored(state["monitor"])
        made._baseline = Baseline.restored(state["baseline"])
        made._window = Window.restored(state["window"])
        made._faults = [Fault.restored(values) for values in state["faults"]]
        told = [read_incident(text.encode()) for text in state["told"]]
        made._told = {incident.incident_id: incident for incident in told}
        return made
