"""The two records that come in: an order submitted, its result returned.

The `...Json` types are what stands on the wire; JSON Schema and validators are made from them.
`Submission` and `Return` are what the codec hands on. A missing optional field may be an absent
key or None, so readers use `.get()`.
"""

from typing import NotRequired

from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from schemas.fields import (
    Amount,
    Attempt,
    Code,
    Currency,
    Message,
    Moment,
    Name,
    OrderId,
    Outcome,
    ReturnWithin,
)


class SubmissionJson(TypedDict):
    """An order was sent out and its result is awaited."""

    order_id: OrderId
    submitted_at: Moment
    return_within_ms: NotRequired[ReturnWithin | None]
    attempt: NotRequired[Attempt | None]
    kind: NotRequired[Name | None]
    provider: NotRequired[Name | None]
    merchant: NotRequired[Name | None]
    player: NotRequired[Name | None]
    amount_minor: NotRequired[Amount | None]
    currency: NotRequired[Currency | None]


class Submission(SubmissionJson):
    """A submission that was read; `traceparent` comes from the record's headers."""

    traceparent: NotRequired[str | None]


class ReturnJson(TypedDict):
    """The result of an order came back: final, or interim while the order stays open."""

    order_id: OrderId
    returned_at: Moment
    outcome: Outcome
    attempt: NotRequired[Attempt | None]
    code: NotRequired[Code | None]
    message: NotRequired[Message | None]
    provider: NotRequired[Name | None]
    amount_minor: NotRequired[Amount | None]
    currency: NotRequired[Currency | None]


class Return(ReturnJson):
    """A return that was read; `slips` names the fields that held a value but count as absent."""

    slips: NotRequired[tuple[str, ...]]
