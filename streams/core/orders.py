"""What is known of one order that is not closed: open, timed out, or a return held for it."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from schemas.events import Return, Submission


class State(IntEnum):
    """What an order that has a record of its own can be; a closed one is in a closed segment."""

    OPEN = 1
    TIMED_OUT = 2
    HELD = 3


class Sent(NamedTuple):
    """What is kept of the submission of one attempt, with the rule that was fixed for it. A tuple,
    because one is made for each time-out, and a frozen dataclass of so many fields takes 3 us."""

    attempt: int
    submitted_at: int
    return_within_ms: int
    offset: int
    severity: str
    rule: str
    kind: str | None
    provider: str | None
    merchant: str | None
    player: str | None
    amount_minor: int | None
    currency: str | None
    traceparent: str | None

    @property
    def deadline_ms(self) -> int:
        return self.submitted_at + self.return_within_ms


@dataclass(frozen=True, slots=True)
class LastInterim:
    """The last interim outcome of the attempt, and how many there were."""

    outcome: str
    code: str | None
    message: str | None
    count: int


@dataclass(frozen=True, slots=True)
class OlderReturn:
    """The newest final return that named an earlier attempt."""

    attempt: int
    outcome: str


@dataclass(frozen=True, slots=True)
class UnreadableSeen:
    """Dead-lettered returns whose key is the order's id: how many, and the newest."""

    count: int
    offset: int
    field: str


@dataclass(slots=True)
class Order:
    """An open or timed-out order; `earlier` is the newest attempt that timed out before.

    `is_withheld`: its return may have stood in a stretch of the log that was lost, so its time-out
    is not told.
    """

    state: State
    effect_ms: int
    sent: Sent
    earlier: Sent | None = None
    interim: LastInterim | None = None
    older: OlderReturn | None = None
    unreadable: UnreadableSeen | None = None
    is_withheld: bool = False

    @property
    def late(self) -> Sent | None:
        """The newest attempt whose time-out was told, so that a return for it is late."""
        is_told = self.state == State.TIMED_OUT and not self.is_withheld
        return self.sent if is_told else self.earlier


@dataclass(slots=True)
class Held:
    """A final return that came before its submission; attempt 0 means it named none."""

    effect_ms: int
    attempt: int
    outcome: str
    returned_at: int
    arrival_ms: int
    offset: int
    code: str | None
    provider: str | None
    amount_minor: int | None
    currency: str | None
    told: bool = field(default=False)  # The end of `hold` is behind it.


def interim_again(before: LastInterim | None, returned: Return) -> LastInterim:
    """One more interim return of the same attempt."""
    count = before.count + 1 if before else 1
    return LastInterim(returned.outcome, returned.code, returned.message, count)


def unreadable_again(before: UnreadableSeen | None, offset: int, field: str) -> UnreadableSeen:
    """One more return of the order that cannot be read."""
    return UnreadableSeen(before.count + 1 if before else 1, offset, field)


def sent_of(submission: Submission, offset: int, rule: tuple[str, int, str]) -> Sent:
    """What is kept of a submission; rule is (name, return within ms, severity)."""
    name, within_ms, severity = rule
    return Sent(
        attempt=submission.attempt or 1,
        submitted_at=submission.submitted_at,
        return_within_ms=within_ms,
        offset=offset,
        severity=severity,
        rule=name,
        kind=submission.kind,
        provider=submission.provider,
        merchant=submission.merchant,
        player=submission.player,
        amount_minor=submission.amount_minor,
        currency=submission.currency,
        traceparent=submission.traceparent,
    )


def held_of(returned: Return, arrival_ms: int, offset: int) -> Held:
    """A final return to keep until its submission comes; its timer is still to be set."""
    return Held(
        effect_ms=arrival_ms,
        attempt=returned.attempt or 0,
        outcome=returned.outcome,
        returned_at=returned.returned_at,
        arrival_ms=arrival_ms,
        offset=offset,
        code=returned.code,
        provider=returned.provider,
        amount_minor=returned.amount_minor,
        currency=returned.currency,
    )
