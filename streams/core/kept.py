"""The orders that are kept, by key, and which of them changed since the last checkpoint.

Knows no order's form. Where the core is compiled, `streams.core.compiled.orders` stands in.
"""

from collections.abc import Mapping

KeyValue = tuple[bytes, bytes | None]


class Orders(dict[bytes, bytes]):
    """Packed orders by key; changed through `put` and `take_out` only."""

    def __init__(self) -> None:
        super().__init__()
        self._changed: dict[bytes, bool] = {}  # Key: whether the last checkpoint holds the order.

    def put(self, key: bytes, packed: bytes) -> None:
        """Keep an order in this form, whether it was kept or not."""
        self._changed.setdefault(key, key in self)
        self[key] = packed

    def take_out(self, key: bytes) -> bytes:
        """Forget an order; gives its packed form. KeyError if it is not kept."""
        packed = self.pop(key)
        self._changed.setdefault(key, True)
        return packed

    def restore(self, orders: Mapping[bytes, bytes]) -> None:
        """Keep orders that the last checkpoint holds."""
        self.update(orders)

    def take_changes(self, prefix: bytes = b"") -> list[KeyValue]:
        """What a checkpoint has to keep: orders that changed, None where one is gone that the last
        checkpoint holds, each key after the prefix. The next call starts from here."""
        changed, self._changed = self._changed, {}
        return [
            (prefix + key, packed)
            for key, was_kept in changed.items()
            if (packed := self.get(key)) is not None or was_kept
        ]

    def forget_changes(self) -> None:
        """Keep no account of what changed, for who writes no checkpoints."""
        self._changed.clear()

    def has_changes(self) -> bool:
        """Whether a checkpoint would keep anything."""
        return bool(self._changed)
