"""What is wrong with a record, field by field, in sentences a sender can act on.

Comes after the fast path has refused a record, so it may take its time. Repeats at most 40
characters of what was sent, because dead letters and logs are read by others than the sender.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from pydantic import TypeAdapter, ValidationError

from schemas.events import ReturnJson, SubmissionJson
from schemas.records import Problem, Record
from schemas.times import DAY_MS, EARLIEST_MS, SECOND_MS, milliseconds, rfc3339

SHOWN_MAX: Final = 40  # characters of the sender's data in one problem
LATEST_IN_SECONDS_MS: Final = 4_102_444_800_000  # 2100; what is later is hardly meant.
PAIR: Final = frozenset({"amount_minor", "currency"})

_TIME_RULE: Final = "milliseconds since 1970 or an RFC 3339 time with an offset, from 2000 on"
_TIME_HINT: Final = '1767225600000 or "2026-01-01T00:00:00Z"'
_NAME_RULE: Final = "a text of up to 64 characters"
_KEY_HINT: Final = "order-4711"

# What a right value is, and an example of one as JSON.
_RIGHT: Final = {
    "order_id": ("a text of 1 to 128 characters", '"order-4711"'),
    "submitted_at": (_TIME_RULE, _TIME_HINT),
    "returned_at": (_TIME_RULE, _TIME_HINT),
    "return_within_ms": ("an integer from 1 to 2592000000 (30 days)", "30000"),
    "outcome": ("one of accepted, rejected, cancelled, pending, error", '"accepted"'),
    "attempt": ("an integer from 1 to 255", "1"),
    "kind": (_NAME_RULE, '"payment"'),
    "provider": (_NAME_RULE, '"acme-pay"'),
    "merchant": (_NAME_RULE, '"shop-7"'),
    "player": (_NAME_RULE, '"player-12"'),
    "amount_minor": ("an integer of 64 bits, in the smallest unit of the currency", "1250"),
    "currency": ("three capital letters", '"EUR"'),
    "code": ("a text of up to 64 characters, or an integer", '"403"'),
    "message": ("a text of up to 256 characters", '"insufficient funds"'),
}


@dataclass(frozen=True, slots=True)
class Contract:
    """What a record of one side must hold: its wire type, and the field that is its time."""

    adapter: TypeAdapter[Any]
    moment: str
    example: str

    def wrong_fields(self, fields: dict[str, Any]) -> tuple[str, ...]:
        """The names of the fields with a wrong value of their own, in the wire's order."""
        try:
            self.adapter.validator.validate_python(fields)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            wrong = {detail["loc"][0] for detail in details}
            return tuple(name for name in _RIGHT if name in wrong)
        return ()


SUBMISSION: Final = Contract(
    TypeAdapter(SubmissionJson),
    "submitted_at",
    '{"order_id":"order-4711","submitted_at":1767225600000}',
)
RETURN: Final = Contract(
    TypeAdapter(ReturnJson),
    "returned_at",
    '{"order_id":"order-4711","returned_at":1767225600000,"outcome":"accepted"}',
)


def value_mistakes(record: Record, contract: Contract, reason: str) -> tuple[Problem, ...]:
    """The problems of a record whose value is no JSON object, for the reason given."""
    return (*_key_mistakes(record.key, None), Problem("value", reason, contract.example))


def mistakes(record: Record, contract: Contract, fields: dict[str, Any]) -> tuple[Problem, ...]:
    """Every problem of a record whose value is a JSON object, one for a field, the key first."""
    wrong = contract.wrong_fields(fields)
    right = {name: value for name, value in fields.items() if name not in wrong}
    return (
        *_key_mistakes(record.key, right.get("order_id")),
        *(_refusal(name, fields.get(name)) for name in wrong),
        *_late_mistakes(record, contract.moment, right.get(contract.moment)),
        *([] if PAIR.intersection(wrong) else _pair_mistakes(right)),
    )


def _key_mistakes(key: bytes | None, order_id: str | None) -> Iterable[Problem]:
    if key is None:
        yield Problem("key", "is missing; it must be the order_id in UTF-8", _KEY_HINT)
        return
    try:
        text = key.decode()
    except UnicodeDecodeError as error:
        yield Problem("key", f"is not UTF-8 at byte {error.start}", _KEY_HINT)
        return
    if order_id is not None and order_id != text:
        yield Problem("key", f"must be the order_id in UTF-8, not {_shown(text)}", _KEY_HINT)


def _refusal(name: str, value: object) -> Problem:
    rule, hint = _RIGHT[name]
    if value is None:
        return Problem(name, f"is missing; it must be {rule}", hint)
    if rule is _TIME_RULE and _looks_like_seconds(value):
        seconds = f"{_shown(value)}, which looks like seconds: times 1000 it is right"
        return Problem(name, f"must be {rule}, not {seconds}", str(int(value * SECOND_MS)))
    return Problem(name, f"must be {rule}, not {_shown(value)}", hint)


def _looks_like_seconds(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return EARLIEST_MS <= value * SECOND_MS < LATEST_IN_SECONDS_MS


def _late_mistakes(record: Record, name: str, value: int | str | None) -> Iterable[Problem]:
    if value is None:
        return
    time_ms = milliseconds(value) if isinstance(value, str) else value
    if time_ms > record.timestamp_ms + DAY_MS:
        written = rfc3339(record.timestamp_ms)
        problem = f"must be at most 24 h after the record's {written}, not {_shown(value)}"
        yield Problem(name, problem, str(max(record.timestamp_ms, EARLIEST_MS)))


def _pair_mistakes(fields: dict[str, Any]) -> Iterable[Problem]:
    present = [name for name in sorted(PAIR) if fields.get(name) is not None]
    if len(present) == 1:
        (missing,) = PAIR.difference(present)
        yield Problem(missing, f"is missing beside {present[0]}", _RIGHT[missing][1])


def _shown(value: object) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case str():
            text = json.dumps(value[:SHOWN_MAX], ensure_ascii=False)
            whole = len(value) <= SHOWN_MAX
        case _:
            text = json.dumps(value)
            whole = True
    # Escapes make a text longer than what was sent, and half an emoji cannot be written as UTF-8.
    safe = text.encode("utf-8", "backslashreplace").decode()
    return safe if whole and len(safe) <= SHOWN_MAX else safe[:SHOWN_MAX] + "..."
