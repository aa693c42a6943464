"""What is counted of an order in packed form, without the rest: when, how much, of which scope."""

from struct import Struct
from typing import Final

from streams.core.orders import Order
from streams.core.packing import ABSENT, SENT_AT, TEXTS_AT, unpack

# When it was submitted, its amount, the lengths of its texts up to the currency.
_STAKE: Final = Struct("<q12xqx6B")
_STAKE_AT: Final = SENT_AT + 1
_LENGTHS_AT: Final = _STAKE_AT + _STAKE.size - 5  # Of kind, provider, merchant.
CARD_AT: Final = _LENGTHS_AT - 1  # From here, that of the rule, to the end: all texts.
PLAYER_AT: Final = _LENGTHS_AT + 3
TRACE_AT: Final = _LENGTHS_AT + 5
_LENGTHS: Final = (*range(ABSENT), 0)  # By what stands for it in the packed form.

# So much of an order's amount is counted at most, so that sums stay within what JSON readers and
# 64 bits hold: a wrong amount must not stop the worker. In cents ten billion.
AMOUNT_COUNTED_MAX: Final = 10**12

sent_and_amount: Final = Struct("<q12xq").unpack_from  # To be read at SENT_MS_AT.
SENT_MS_AT: Final = _STAKE_AT


def counted(amount_minor: int | None) -> int:
    """What is counted of an amount."""
    amount = amount_minor or 0
    if -AMOUNT_COUNTED_MAX <= amount <= AMOUNT_COUNTED_MAX:
        return amount
    return AMOUNT_COUNTED_MAX if amount > 0 else -AMOUNT_COUNTED_MAX


def stake_of(packed: bytes) -> tuple[int, int, bytes, str | None]:
    """(submitted at ms, amount, its scope for `scope_of`, currency) of an open or timed-out
    order, without the rest; what is counted of every answer."""
    submitted_at, amount, rule, kind, provider, merchant, player, currency = _STAKE.unpack_from(
        packed, _STAKE_AT
    )
    start = TEXTS_AT + rule
    end = start + _LENGTHS[kind] + _LENGTHS[provider] + _LENGTHS[merchant]
    money_at = end + _LENGTHS[player]
    if not packed[TEXTS_AT:money_at].isascii():  # Lengths are code points, these are bytes.
        return _slow_stake(packed)
    key = packed[_LENGTHS_AT : _LENGTHS_AT + 3] + packed[start:end]
    name = None if currency == ABSENT else packed[money_at : money_at + 3].decode()
    return submitted_at, counted(amount), key, name


def scope_of(key: bytes) -> tuple[str | None, str | None, str | None]:
    """(provider, merchant, kind) of what `stake_of` gives."""
    text, at = key[3:].decode(), 0
    found: list[str | None] = []
    for length in key[:3]:
        end = at + _LENGTHS[length]
        found.append(None if length == ABSENT else text[at:end])
        at = end
    kind, provider, merchant = found
    return provider, merchant, kind


def _slow_stake(packed: bytes) -> tuple[int, int, bytes, str | None]:
    order = unpack(packed)
    assert isinstance(order, Order), "a held return has no submission"
    sent = order.sent
    texts = (sent.kind, sent.provider, sent.merchant)
    lengths = bytes(ABSENT if text is None else len(text) for text in texts)
    key = lengths + "".join(filter(None, texts)).encode()
    return sent.submitted_at, counted(sent.amount_minor), key, sent.currency
