"""An order in packed form comes back as it was, whatever is known of it."""

import struct
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Submission
from schemas.fields import RETURN_WITHIN_MAX_MS
from streams.core.orders import Held, LastInterim, OlderReturn, Order, Sent, State, UnreadableSeen
from streams.core.packing import SEVERITIES, effect_of, head_of, pack, pack_fresh, unpack

_I64: Final = st.integers(-(2**63), 2**63 - 1)
_offset = st.integers(0, 2**63 - 1)
_time = st.integers(946_684_800_000, 2**42)
_effect = st.integers(-1, 2**42)
_attempt = st.integers(1, 255)
_final = st.sampled_from(["accepted", "rejected", "cancelled"])

# No lone surrogates: a text comes out of JSON that was checked. Each width of UTF-8 is likely.
_characters = st.one_of(st.characters(exclude_categories=("Cs",)), st.sampled_from("a\0\x7fé߿ࠀ�😀"))


def text(length_max: int, length_min: int = 0) -> st.SearchStrategy[str]:
    return st.text(_characters, min_size=length_min, max_size=length_max)


def maybe(length_max: int) -> st.SearchStrategy[str | None]:
    return st.none() | text(length_max)


_money: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({"amount_minor": None, "currency": None}),
    st.fixed_dictionaries(
        {"amount_minor": _I64, "currency": st.text("ABZ", min_size=3, max_size=3)}
    ),
)
_sent = st.builds(
    lambda money, **fields: Sent(**fields, **money),
    _money,
    attempt=_attempt,
    submitted_at=_time,
    return_within_ms=st.integers(1, RETURN_WITHIN_MAX_MS),
    offset=_offset,
    severity=st.sampled_from(SEVERITIES),
    rule=text(64, 1),
    kind=maybe(64),
    provider=maybe(64),
    merchant=maybe(64),
    player=maybe(64),
    traceparent=st.none() | st.text("0123456789abcdef-", min_size=55, max_size=55),
)
_interim = st.builds(
    LastInterim,
    st.sampled_from(["pending", "error"]),
    maybe(64),
    maybe(256),
    st.integers(1, 2**32 - 1),
)
_older = st.builds(OlderReturn, _attempt, _final)
_unreadable = st.builds(
    UnreadableSeen, st.integers(1, 2**32 - 1), _offset, st.text("abc_", min_size=1, max_size=20)
)
orders = st.builds(
    Order,
    st.sampled_from([State.OPEN, State.TIMED_OUT]),
    _effect,
    _sent,
    st.none() | _sent,
    st.none() | _interim,
    st.none() | _older,
    st.none() | _unreadable,
)
held_returns = st.builds(
    lambda money, **fields: Held(**fields, **money),
    _money,
    effect_ms=_effect,
    attempt=st.integers(0, 255),
    outcome=_final,
    returned_at=_time,
    arrival_ms=_effect,
    offset=_offset,
    code=maybe(64),
    provider=maybe(64),
    told=st.booleans(),
)


@given(order=orders)
def test_an_order_comes_back_as_it_was(order: Order) -> None:
    packed = pack(order)

    assert unpack(packed) == order
    assert effect_of(packed) == order.effect_ms
    assert head_of(packed)[:2] == (order.state, order.sent.attempt)


@given(held=held_returns)
def test_a_held_return_comes_back_as_it_was(held: Held) -> None:
    packed = pack(held)

    assert unpack(packed) == held
    assert effect_of(packed) == held.effect_ms
    assert head_of(packed)[:2] == (State.HELD, held.attempt)


@given(sent=_sent, effect_ms=_effect)
def test_a_fresh_order_has_one_packed_form(sent: Sent, effect_ms: int) -> None:
    submission = Submission(
        "x",
        sent.submitted_at,
        attempt=sent.attempt,
        kind=sent.kind,
        provider=sent.provider,
        merchant=sent.merchant,
        player=sent.player,
        amount_minor=sent.amount_minor,
        currency=sent.currency,
        traceparent=sent.traceparent,
    )
    terms = (sent.rule, sent.return_within_ms, sent.severity)

    packed = pack_fresh(submission, sent.offset, terms, effect_ms=effect_ms)

    assert packed == pack(Order(State.OPEN, effect_ms, sent))


@pytest.mark.parametrize("packed", [b"", b"\1\1\0", b"\1\1\0" + bytes(20), b"\7" + bytes(200)])
def test_bytes_that_are_none_of_ours_are_refused(packed: bytes) -> None:
    with pytest.raises((struct.error, ValueError)):
        unpack(packed)
