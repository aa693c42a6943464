"""The packed form of an order: what memory keeps of it, and what the changelog holds.

The layout belongs to the state's format version. Texts are stored by their length in code points,
255 for an absent one: no text here is longer than 254 but an interim's message (two bytes).
"""

from collections.abc import Sequence
from enum import IntFlag
from itertools import accumulate
from struct import Struct
from typing import Final

from schemas.events import Submission
from streams.core.orders import (
    Held,
    LastInterim,
    OlderReturn,
    Order,
    Sent,
    State,
    UnreadableSeen,
)
from streams.core.outcomes import FINAL_OUTCOMES, INTERIM_OUTCOMES

SEVERITIES: Final = ("info", "warning", "critical")
_SEVERITY_NUMBERS: Final = {severity: number for number, severity in enumerate(SEVERITIES)}


class Has(IntFlag):
    """Which rare parts follow the submission in the packed form; of WITHHELD nothing does."""

    EARLIER = 1
    INTERIM = 2
    OLDER = 4
    UNREADABLE = 8
    WITHHELD = 16


_HEAD: Final = Struct("<BBBq")  # State, attempt, which parts follow, effect of the timer.
_SENT: Final = Struct("<BqIqqB7B")
_FRESH: Final = Struct(_HEAD.format + "BqIqq")  # What a card follows.
_HELD: Final = Struct("<BBqqqq3B")
SENT_AT: Final = _HEAD.size  # Where the submission stands, and its texts.
TEXTS_AT: Final = _HEAD.size + _SENT.size
_INTERIM: Final = Struct("<BIBH")
_OLDER: Final = Struct("<BB")
_UNREADABLE: Final = Struct("<IqB")
# The texts of a submission after that of its rule, in the order they are packed in.
TEXT_FIELDS: Final = ("kind", "provider", "merchant", "player", "currency", "traceparent")
_STATES: Final = {int(state): state for state in State}  # A third of the time of State(number).
_OPEN: Final = int(State.OPEN)
ABSENT: Final = 255
_ABSENT_LONG: Final = 65_535

# (rule, severity, kind, provider, merchant, currency): few orders differ in all of them.
_Facts = tuple[str, str, str | None, str | None, str | None, str | None]
CARDS_MAX: Final = 20_000  # About 200 bytes each.
_CARDS: Final[dict[_Facts, bytes]] = {}

head_of = _HEAD.unpack_from  # (state, attempt, parts, effect_ms), all that the hot path needs.


def effect_of(packed: bytes) -> int:
    """When the order's timer takes effect."""
    return int.from_bytes(packed[3:11], "little", signed=True)


def pack_fresh(
    submission: Submission, offset: int, terms: tuple[str, int, str], *, effect_ms: int
) -> bytes:
    """A fresh open order, straight from its submission: the form nearly every order has all its
    life. `terms` are (rule, return within ms, severity). Equal to `pack` of the same order."""
    rule, within_ms, severity = terms
    attempt = submission.attempt or 1
    fixed = _FRESH.pack(
        _OPEN,
        attempt,
        0,
        effect_ms,
        attempt,
        submission.submitted_at,
        within_ms,
        offset,
        submission.amount_minor or 0,
    )
    facts = (
        rule,
        severity,
        submission.kind,
        submission.provider,
        submission.merchant,
        submission.currency,
    )
    if submission.player is None and submission.traceparent is None:
        return fixed + (_CARDS.get(facts) or _new_card(facts))
    return fixed + _card(facts, submission.player, submission.traceparent)


def _new_card(facts: _Facts) -> bytes:
    if len(_CARDS) >= CARDS_MAX:
        _CARDS.clear()
    card = _CARDS[facts] = _card(facts, None, None)
    return card


def _card(facts: _Facts, player: str | None, trace: str | None) -> bytes:
    """What all packed orders with the same facts end with: severity, lengths, texts."""
    rule, severity, kind, provider, merchant, currency = facts
    texts = (rule, kind, provider, merchant, player, currency, trace)
    lengths = [ABSENT if text is None else len(text) for text in texts]
    fixed = bytes((_SEVERITY_NUMBERS[severity], *lengths))
    return fixed + "".join([text for text in texts if text]).encode()


def withheld(packed: bytes) -> bytes:
    """The same open or timed-out order, its time-out not to be told."""
    return packed[:2] + bytes((packed[2] | Has.WITHHELD,)) + packed[3:]


def pack(order: Order | Held) -> bytes:
    """The packed form of any order."""
    if isinstance(order, Held):
        return _pack_held(order)
    parts = Has(0)
    tail = b""
    if order.earlier is not None:
        parts |= Has.EARLIER
        tail += _pack_sent(order.earlier)
    if order.interim is not None:
        parts |= Has.INTERIM
        tail += _pack_interim(order.interim)
    if order.older is not None:
        parts |= Has.OLDER
        tail += _OLDER.pack(order.older.attempt, FINAL_OUTCOMES.index(order.older.outcome))
    if order.unreadable is not None:
        parts |= Has.UNREADABLE
        seen = order.unreadable
        tail += _UNREADABLE.pack(seen.count, seen.offset, len(seen.field)) + seen.field.encode()
    if order.is_withheld:
        parts |= Has.WITHHELD
    head = _HEAD.pack(order.state, order.sent.attempt, parts, order.effect_ms)
    return head + _pack_sent(order.sent) + tail


def unpack(packed: bytes) -> Order | Held:
    """The order again; struct.error or ValueError if the bytes are none of ours."""
    state, attempt, parts, effect_ms = head_of(packed)
    reader = _Reader(packed, _HEAD.size)
    if state == State.HELD:
        return _read_held(reader, attempt, effect_ms)
    order = Order(_STATES.get(state) or State(state), effect_ms, _read_sent(reader))
    if parts:
        _read_parts(order, Has(parts), reader)
    return order


def _pack_sent(sent: Sent) -> bytes:
    texts = (
        sent.rule,
        sent.kind,
        sent.provider,
        sent.merchant,
        sent.player,
        sent.currency,
        sent.traceparent,
    )
    fixed = _SENT.pack(
        sent.attempt,
        sent.submitted_at,
        sent.return_within_ms,
        sent.offset,
        sent.amount_minor or 0,
        SEVERITIES.index(sent.severity),
        *[ABSENT if text is None else len(text) for text in texts],
    )
    return fixed + "".join(filter(None, texts)).encode()


def _pack_held(held: Held) -> bytes:
    texts = (held.code, held.provider, held.currency)
    head = _HEAD.pack(State.HELD, held.attempt, 0, held.effect_ms)
    fixed = _HELD.pack(
        FINAL_OUTCOMES.index(held.outcome),
        held.told,
        held.returned_at,
        held.arrival_ms,
        held.offset,
        held.amount_minor or 0,
        *[ABSENT if text is None else len(text) for text in texts],
    )
    return head + fixed + "".join(filter(None, texts)).encode()


def _pack_interim(interim: LastInterim) -> bytes:
    code, message = interim.code, interim.message
    fixed = _INTERIM.pack(
        INTERIM_OUTCOMES.index(interim.outcome),
        interim.count,
        ABSENT if code is None else len(code),
        _ABSENT_LONG if message is None else len(message),
    )
    return fixed + ((code or "") + (message or "")).encode()


class _Reader:
    """Walks a packed order: fixed fields as bytes, texts by their code points."""

    def __init__(self, packed: bytes, at: int) -> None:
        self._packed = packed
        self._at = at

    def fields(self, layout: Struct) -> tuple[int, ...]:
        values = layout.unpack_from(self._packed, self._at)
        self._at += layout.size
        return values

    def texts(self, lengths: Sequence[int]) -> list[str | None]:
        size = sum([length for length in lengths if length != ABSENT])
        whole = self._packed[self._at : self._at + size]
        if not whole.isascii():  # Else it has as many bytes as code points.
            return [self.text(length) for length in lengths]
        ends = accumulate(0 if length == ABSENT else length for length in lengths)
        self._at += size
        parts = zip(lengths, ends, strict=True)
        text = whole.decode()
        return [None if size == ABSENT else text[end - size : end] for size, end in parts]

    def text(self, length: int, absent: int = ABSENT) -> str | None:
        if length == absent:
            return None
        end = self._at
        for _ in range(length):
            end += _utf8_width(self._packed[end])
        text = self._packed[self._at : end].decode()
        self._at = end
        return text


def _utf8_width(first: int) -> int:
    return 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4


def _read_sent(reader: _Reader) -> Sent:
    attempt, submitted_at, within_ms, offset, amount, severity, *lengths = reader.fields(_SENT)
    rule, kind, provider, merchant, player, currency, traceparent = reader.texts(lengths)
    return Sent(
        attempt,
        submitted_at,
        within_ms,
        offset,
        SEVERITIES[severity],
        rule or "",
        kind,
        provider,
        merchant,
        player,
        None if currency is None else amount,
        currency,
        traceparent,
    )


def _read_parts(order: Order, parts: Has, reader: _Reader) -> None:
    if parts & Has.EARLIER:
        order.earlier = _read_sent(reader)
    if parts & Has.INTERIM:
        order.interim = _read_interim(reader)
    if parts & Has.OLDER:
        older_attempt, outcome = reader.fields(_OLDER)
        order.older = OlderReturn(older_attempt, FINAL_OUTCOMES[outcome])
    if parts & Has.UNREADABLE:
        count, offset, length = reader.fields(_UNREADABLE)
        order.unreadable = UnreadableSeen(count, offset, reader.text(length) or "")
    order.is_withheld = bool(parts & Has.WITHHELD)


def _read_held(reader: _Reader, attempt: int, effect_ms: int) -> Held:
    outcome, told, returned_at, arrival, offset, amount, *lengths = reader.fields(_HELD)
    code, provider, currency = reader.texts(lengths)
    return Held(
        effect_ms=effect_ms,
        attempt=attempt,
        outcome=FINAL_OUTCOMES[outcome],
        returned_at=returned_at,
        arrival_ms=arrival,
        offset=offset,
        code=code,
        provider=provider,
        amount_minor=None if currency is None else amount,
        currency=currency,
        told=bool(told),
    )


def _read_interim(reader: _Reader) -> LastInterim:
    outcome, count, code_length, message_length = reader.fields(_INTERIM)
    code = reader.text(code_length)
    message = reader.text(message_length, _ABSENT_LONG)
    return LastInterim(INTERIM_OUTCOMES[outcome], code, message, count)
