"""What of the log a tracker cannot know: what came before it was entered, and what was lost."""

from dataclasses import dataclass

from streams.core.rules import Policy
from streams.core.sequence import NEVER_MS


@dataclass(frozen=True, slots=True)
class History:
    """`cut_ms` is the arrival of the first record read, where the log was entered inside it;
    records that arrived before `gap_until_ms` were lost unread. None where there is no such."""

    cut_ms: int | None = None
    gap_until_ms: int | None = None

    def quiet_until_ms(self, policy: Policy) -> int:
        """Until then a return may answer a submission that nobody read."""
        if self.cut_ms is None:
            return NEVER_MS
        return self.cut_ms + max(policy.remember_ms, policy.rules.longest_ms)

    def withheld_until_ms(self) -> int:
        """The return of an order that opens before then may be among what was lost."""
        return NEVER_MS if self.gap_until_ms is None else self.gap_until_ms
