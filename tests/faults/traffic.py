"""Traffic for scenarios: orders of every fate, sent in a thread while faults go on.

What was sent is no evidence; the auditor reads what the topics hold.
"""

import heapq
import itertools
import json
import random
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from confluent_kafka import Producer

from tests.broker.orders import now_ms
from tests.broker.records import NewRecord, new_producer, put
from tests.broker.topics import Names

TICK_S: Final = 0.02
FLUSH_TIMEOUT_S: Final = 60.0
TRACE: Final = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
# (name, share in percent); the rest are answered at once.
FATES: Final = (
    ("lost", 25),
    ("late", 10),
    ("unmatched", 5),
    ("early", 5),
    ("conflicting", 5),
    ("doubled", 10),
    ("again", 5),
    ("interim", 5),
    ("poison", 5),
)


class Traffic:
    """Feeds both topics at `per_s` orders a second between `start` and `stop`."""

    def __init__(self, bootstrap: str, names: Names, seed: int) -> None:
        self._bootstrap = bootstrap
        self._names = names
        self._random = random.Random(seed)
        self._producer: Producer = new_producer(bootstrap, **{"enable.idempotence": True})
        self._later: list[tuple[float, int, str, NewRecord]] = []
        self._numbers = itertools.count()
        self._ending = threading.Event()
        self._per_s = 0.0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.error: BaseException | None = None
        self._thread.start()

    def start(self, per_s: float) -> None:
        self._per_s = per_s

    def stop(self) -> None:
        """No new orders; answers that are under way still go out."""
        self._per_s = 0.0

    def finish(self) -> None:
        """Everything is in the log when it returns."""
        self.stop()
        self._ending.set()
        self._thread.join(FLUSH_TIMEOUT_S)
        assert not self._thread.is_alive(), "the traffic does not end"
        if self.error is not None:
            raise self.error
        left = self._producer.flush(FLUSH_TIMEOUT_S)
        assert left == 0, f"{left} records were not written within {FLUSH_TIMEOUT_S} s"

    def abandon(self) -> None:
        """Send nothing more; for a scenario that has failed."""
        self.stop()
        self._ending.set()
        with self._lock:
            self._later.clear()
        self._producer.purge()

    def batch(self, orders: int) -> None:
        """That many orders at once, from the scenario's own thread."""
        for _ in range(orders):
            self._order()

    def poison(self, records: int) -> None:
        """That many records that cannot be read, on both topics."""
        for _ in range(records):
            for topic in (self._names.submitted, self._names.returned):
                self._send(0.0, topic, self._unreadable(f"p-{next(self._numbers)}"))

    def _run(self) -> None:
        try:
            owed, at_s = 0.0, time.monotonic()
            while not (self._ending.is_set() and not self._later):
                before_s, at_s = at_s, time.monotonic()
                owed += self._per_s * (at_s - before_s)
                while owed >= 1:
                    owed -= 1
                    self._order()
                self._send_due()
                self._producer.poll(0)
                time.sleep(TICK_S)
        except BaseException as error:  # Raised again where the scenario waits for the end.
            self.error = error

    def _send_due(self) -> None:
        with self._lock:
            while self._later and self._later[0][0] <= time.monotonic():
                *_, topic, record = heapq.heappop(self._later)
                put(self._producer, topic, stamped(record))

    def _order(self) -> None:
        with self._lock:
            number = next(self._numbers)
            order_id = f"o-{number:05d}-\u00fc" if number % 10 == 0 else f"o-{number:05d}"
            roll, fate = self._random.randrange(100), "answered"
            for name, share in FATES:
                if roll < share:
                    fate = name
                    break
                roll -= share
            for after_s, topic, record in self._records(fate, order_id):
                self._put_later(after_s, topic, record)

    def _send(self, after_s: float, topic: str, record: NewRecord) -> None:
        with self._lock:
            self._put_later(after_s, topic, record)

    def _put_later(self, after_s: float, topic: str, record: NewRecord) -> None:
        at = time.monotonic() + after_s
        heapq.heappush(self._later, (at, next(self._numbers), topic, record))

    def _records(self, fate: str, order_id: str) -> Iterator[tuple[float, str, NewRecord]]:
        """(seconds from now, topic, record) of one order."""
        submitted, returned = self._names.submitted, self._names.returned
        within_ms = self._random.choice((300, 700, None, None))
        soon = self._random.uniform(0.0, 0.25)
        late = (within_ms or 1_000) / 1_000 + self._random.uniform(0.05, 0.8)
        sent = submission(order_id, within_ms, self._random)
        if fate == "poison":
            yield 0.0, submitted, sent
            yield soon, returned, self._unreadable(order_id)
            return
        if fate == "early":
            yield 0.0, returned, result(order_id)
            yield soon, submitted, sent
            return
        if fate != "unmatched":
            yield 0.0, submitted, sent
        if fate == "interim":
            yield soon, returned, result(order_id, "pending", code="202", message="w\u00e4it")
        elif fate == "late":
            yield late, returned, result(order_id, "rejected", code="51")
        elif fate != "lost":
            yield soon, returned, result(order_id)
        if fate == "conflicting":
            yield soon + 0.3, returned, result(order_id, "cancelled")
        elif fate == "doubled":
            yield soon + late, submitted, sent
            yield soon + late, returned, result(order_id)
        elif fate == "again":
            yield soon + 0.4, submitted, submission(order_id, within_ms, self._random, attempt=2)

    def _unreadable(self, order_id: str) -> NewRecord:
        values = (b"{not json", b"", None, json.dumps({"order_id": order_id}).encode())
        return NewRecord(order_id.encode(), self._random.choice(values), [("h", b"1")])


def submission(
    order_id: str, within_ms: int | None, chance: random.Random, **more: Any
) -> NewRecord:
    fields = {"order_id": order_id, "submitted_at": None, "return_within_ms": within_ms, **more}
    if chance.random() < 0.5:
        fields |= {"amount_minor": chance.randrange(10**6), "currency": "EUR", "kind": "payment"}
    headers = [("traceparent", TRACE)] if chance.random() < 0.3 else []
    return NewRecord(order_id.encode(), json.dumps(fields).encode(), headers)


def result(order_id: str, outcome: str = "accepted", **more: Any) -> NewRecord:
    fields = {"order_id": order_id, "returned_at": None, "outcome": outcome, **more}
    return NewRecord(order_id.encode(), json.dumps(fields).encode())


def stamped(record: NewRecord) -> NewRecord:
    """The same with the time of now where a time is still open."""
    if record.value is None or b": null" not in record.value:
        return record
    fields = json.loads(record.value)
    for name in ("submitted_at", "returned_at"):
        if name in fields and fields[name] is None:
            fields[name] = now_ms()
    return record._replace(value=json.dumps(fields).encode())
