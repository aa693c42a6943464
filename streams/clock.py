"""The worker's wall clock, and how far it may be ahead of the broker's.

Owns whether a proof at the end of a partition may be made at all: it compares the worker's clock
with times that the broker set, so a worker that is ahead would take the end for complete before
it is. Each checkpoint tells the broker's time anew; between two of them the monotonic clock counts.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streams.state.ledger import Written

SAMPLE_AGE_MAX_S: Final = 600.0  # Clocks drift by up to 100 ppm: 60 ms in so long.


@dataclass(frozen=True, slots=True)
class _Known:
    """What the broker's clock is more than our monotonic one, in ms: at least, at most."""

    least_ms: float
    most_ms: float
    shift_ms: float  # What our wall clock was more than the monotonic one.
    at_s: float


class WorkerClock:
    """`limit_ms` is how far ahead the worker may be; None where a broker tells no time."""

    def __init__(
        self,
        limit_ms: float | None,
        *,
        wall_ms: Callable[[], int],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_ms = limit_ms
        self._wall_ms = wall_ms
        self._monotonic_s = monotonic_s
        self._known: _Known | None = None

    def now_ms(self) -> int:
        """The wall clock, in ms since 1970 UTC."""
        return self._wall_ms()

    def note(self, written: Written) -> None:
        """Take in what a checkpoint told: the broker's clock stood at its time some time between
        the sending and the answer."""
        if written.log_append_ms is None:
            return
        now_s = self._monotonic_s()
        least = written.log_append_ms - written.answered_s * 1_000
        most = written.log_append_ms + 1 - written.sent_s * 1_000  # It is cut off to whole ms.
        before = self._known
        if before is not None and now_s - before.at_s <= SAMPLE_AGE_MAX_S:
            # The narrower of two that agree; where they do not, the broker's clock was set.
            both = max(least, before.least_ms), min(most, before.most_ms)
            least, most = both if both[0] <= both[1] else (least, most)
        self._known = _Known(least, most, self._wall_ms() - now_s * 1_000, now_s)

    def doubt(self) -> str | None:
        """Why the clock cannot be relied on, in a sentence; None where it can."""
        return None if self._limit_ms is None else self._doubt(self._shift_ms(), self._limit_ms)

    def ahead_ms(self) -> float | None:
        """How far the worker is ahead of the broker at most; None where it is unknown."""
        return None if self._known is None else self._shift_ms() - self._known.least_ms

    def proof_ms(self) -> int | None:
        """The wall clock, if a proof may rest on it now; None while it may not."""
        wall_ms, now_s = self._wall_ms(), self._monotonic_s()
        if self._limit_ms is None:
            return wall_ms
        if self._doubt(wall_ms - now_s * 1_000, self._limit_ms) is not None:
            return None
        assert self._known is not None, "a clock of which nothing is known is in doubt"
        return wall_ms if now_s - self._known.at_s <= SAMPLE_AGE_MAX_S else None

    def _shift_ms(self) -> float:
        return self._wall_ms() - self._monotonic_s() * 1_000

    def _doubt(self, shift_ms: float, limit_ms: float) -> str | None:
        known = self._known
        if known is None:
            return "the broker's clock is not known yet: the first checkpoint tells it"
        jumped_ms = shift_ms - known.shift_ms
        if abs(jumped_ms) > limit_ms:
            return f"the wall clock was set by {jumped_ms:+.0f} ms since the last checkpoint"
        ahead_ms = shift_ms - known.least_ms
        if ahead_ms > limit_ms:
            return (
                f"the worker's clock is up to {ahead_ms:.0f} ms ahead of the broker's, more than "
                f"half of the grace ({limit_ms:.0f} ms): set it by NTP, or raise "
                "RETURNWATCH_GRACE_S"
            )
        return None
