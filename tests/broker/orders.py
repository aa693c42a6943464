"""Orders for tests on a broker: their records, and what was said about them."""

import json
import time
from collections.abc import Sequence
from typing import Any

from tests.broker.records import NewRecord, StoredRecord, produce, read_all, read_until
from tests.broker.topics import Names


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def submission(order_id: str, **fields: Any) -> NewRecord:
    values = {"order_id": order_id, "submitted_at": now_ms(), **fields}
    return NewRecord(order_id.encode(), json.dumps(values).encode())


def a_return(order_id: str, outcome: str = "accepted", **fields: Any) -> NewRecord:
    values = {"order_id": order_id, "returned_at": now_ms(), "outcome": outcome, **fields}
    return NewRecord(order_id.encode(), json.dumps(values).encode())


class Desk:
    """Feeds one test's topics and reads what comes of it."""

    def __init__(self, bootstrap: str, names: Names) -> None:
        self._bootstrap = bootstrap
        self._names = names

    def submit(self, *order_ids: str, **fields: Any) -> None:
        self.feed_submitted([submission(order_id, **fields) for order_id in order_ids])

    def answer(self, *order_ids: str, **fields: Any) -> None:
        self.feed_returned([a_return(order_id, **fields) for order_id in order_ids])

    def feed_submitted(self, records: Sequence[NewRecord]) -> None:
        produce(self._bootstrap, self._names.submitted, records)

    def feed_returned(self, records: Sequence[NewRecord]) -> None:
        produce(self._bootstrap, self._names.returned, records)

    def alerts(self) -> list[dict[str, Any]]:
        return [value_of(record) for record in read_all(self._bootstrap, self._names.alerts)]

    def wait_for_alerts(self, count: int, *, timeout_s: float = 30) -> list[dict[str, Any]]:
        records = read_until(self._bootstrap, self._names.alerts, count, timeout_s=timeout_s)
        return [value_of(record) for record in records]

    def wait_for_letters(self, count: int) -> list[StoredRecord]:
        return read_until(self._bootstrap, self._names.dead_letters, count)

    def told(self) -> list[tuple[str, str]]:
        """(type, order id) of every alert, sorted."""
        return sorted((alert["type"], alert["order_id"]) for alert in self.alerts())


def value_of(record: StoredRecord) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(record.value or b"")
    return value
