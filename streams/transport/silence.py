"""For how long a broker has not answered; each who asks keeps one."""

import time


class Silence:
    """Begins with a question that found no answer, and ends with the next answer."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    @property
    def s(self) -> float:
        """How long it lasts by now; 0 while there is none."""
        return 0.0 if self._since_s is None else time.monotonic() - self._since_s

    def begin(self, asked_s: float, limit_s: float) -> None:
        """A question, asked then, was given up after at most `limit_s`. Where more time has passed
        it was this process that did not run, and not the broker that was silent."""
        if self._since_s is None:
            self._since_s = max(asked_s, time.monotonic() - limit_s)

    def end(self) -> None:
        """The broker has answered."""
        self._since_s = None
