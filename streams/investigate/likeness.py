"""Order ids that a broken integration would make of another: near misses.

Two ids are alike where they differ in case, in white space, in separators, in leading zeros, or
in a prefix that one has and the other lacks: `order-00042`, `ORDER 42` and `42` are.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

NEAR_RECORDS_MAX: Final = 1_000  # More are not kept; an id as short as `1` is like very many.

_TOKEN: Final = re.compile(r"[^\W\d_]+|\d+")


def tokens(order_id: str) -> tuple[str, ...]:
    """The words and numbers of an id: case folded, no white space, no leading zeros."""
    plain = "".join(order_id.casefold().split())
    return tuple(_without_zeros(token) for token in _TOKEN.findall(plain))


def are_alike(one: str, other: str) -> bool:
    """Whether two ids are near misses of each other; not if they are the same."""
    if one == other:
        return False
    short, long = sorted((tokens(one), tokens(other)), key=len)
    return bool(short) and long[-len(short) :] == short


@dataclass(slots=True)
class Likeness:
    """Which keys are an order's id, and which are alike; `near` counts the latter."""

    order_id: str
    near: int = 0
    key: bytes = field(init=False)
    _needle: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.key = self.order_id.encode()
        # What is alike ends in the same token, so most keys are told apart without a regex. A
        # letter beyond ASCII has several forms: then every key is looked at.
        last = tokens(self.order_id)[-1:]
        self._needle = last[0].encode() if last and last[0].isascii() else b""

    def is_same(self, record: Any) -> bool:
        """Whether it is the order's own."""
        return bool(record.key == self.key)

    def is_same_or_near(self, record: Any) -> bool:
        """The same, or alike, up to NEAR_RECORDS_MAX of those."""
        key = record.key
        if key is None:
            return False
        if key == self.key:
            return True
        if self._needle not in key.lower() or self.near >= NEAR_RECORDS_MAX:
            return False
        is_near = self.is_near(key)
        self.near += is_near
        return is_near

    def is_near(self, key: bytes) -> bool:
        """Whether a key is alike, but not the same."""
        return are_alike(self.order_id, key.decode(errors="replace"))

    def is_about(self, record: Any) -> bool:
        """Whether the id stands in the key or somewhere in the value."""
        return self.is_same_or_near(record) or self.is_in(record.value)

    def is_in(self, value: bytes | None) -> bool:
        """Whether a value that may be anything holds the id, not as part of a longer one."""
        if value is None:
            return False
        return any(_holds(value, form) for form in self._forms())

    def _forms(self) -> set[bytes]:
        """The id as it is, and as JSON may write it."""
        escaped = "".join(it if it.isascii() else _escaped(it) for it in self.order_id)
        return {self.key, escaped.encode(), escaped.replace("/", "\\/").encode()}


def _holds(value: bytes, form: bytes) -> bool:
    if form not in value:
        return False
    return re.search(rb"(?<![\w-])" + re.escape(form) + rb"(?![\w-])", value) is not None


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _without_zeros(token: str) -> str:
    return token.lstrip("0") or token[-1:]
