"""The two records that come in: an order submitted, its result returned.

The `...Json` types are what stands on the wire; JSON Schema and pydantic's validators, which say
what is wrong with a record, are made from them. `Submission` and `Return` are what the codec hands
on, an absent field being None; their constraints are those of the wire as far as msgspec has such,
and a test holds both against each other.
"""

from typing import Annotated, NotRequired

from msgspec import Meta, Struct
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from schemas.fields import (
    AMOUNT_MAX,
    AMOUNT_MIN,
    ATTEMPT_MAX,
    CODE_MAX,
    MESSAGE_MAX,
    NAME_MAX,
    ORDER_ID_MAX,
    RETURN_WITHIN_MAX_MS,
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
from schemas.times import EARLIEST_MS


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


_OrderId = Annotated[str, Meta(min_length=1, max_length=ORDER_ID_MAX)]
_Moment = Annotated[int, Meta(ge=EARLIEST_MS)]  # A text is read by pydantic.
_Attempt = Annotated[int, Meta(ge=1, le=ATTEMPT_MAX)]
_Name = Annotated[str, Meta(max_length=NAME_MAX)]
_Amount = Annotated[int, Meta(ge=AMOUNT_MIN, le=AMOUNT_MAX)]
_Currency = Annotated[
    str, Meta(min_length=3, max_length=3)
]  # Its letters are the codec's to check.


class Submission(Struct, gc=False):
    """A submission that was read; `traceparent` comes from the record's headers."""

    order_id: _OrderId
    submitted_at: _Moment
    return_within_ms: Annotated[int, Meta(ge=1, le=RETURN_WITHIN_MAX_MS)] | None = None
    attempt: _Attempt | None = None
    kind: _Name | None = None
    provider: _Name | None = None
    merchant: _Name | None = None
    player: _Name | None = None
    amount_minor: _Amount | None = None
    currency: _Currency | None = None
    traceparent: str | None = None


class Return(Struct, gc=False):
    """A return that was read; `slips` names the fields that held a value but count as absent."""

    order_id: _OrderId
    returned_at: _Moment
    outcome: Outcome
    attempt: _Attempt | None = None
    code: Annotated[str, Meta(max_length=CODE_MAX)] | None = None
    message: Annotated[str, Meta(max_length=MESSAGE_MAX)] | None = None
    provider: _Name | None = None
    amount_minor: _Amount | None = None
    currency: _Currency | None = None
    slips: tuple[str, ...] = ()
