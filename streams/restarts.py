"""When a process that ended is started again: later each time, and not for ever.

Pure: takes the time as an argument.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

FIRST_DELAY_S: Final = 1.0
DELAY_MAX_S: Final = 30.0
ENDS_MAX: Final = 5  # Within the window; one more is a crash loop.
WINDOW_S: Final = 300.0


@dataclass(slots=True)
class Restarts:
    """Of one process; `total` counts those that were granted."""

    total: int = 0
    _ended_at_s: deque[float] = field(default_factory=deque)

    def delay_s(self, now_s: float) -> float | None:
        """How long to wait after an end now; None if it ended too often.

        It doubles with each end in the window: 1, 2, 4, 8, 16 s.
        """
        self._ended_at_s.append(now_s)
        while self._ended_at_s[0] <= now_s - WINDOW_S:
            self._ended_at_s.popleft()
        ends = len(self._ended_at_s)
        if ends > ENDS_MAX:
            return None
        self.total += 1
        return min(FIRST_DELAY_S * 2.0 ** (ends - 1), DELAY_MAX_S)
