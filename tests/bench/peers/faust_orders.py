"""What both stock Faust peers share: the app, the models, event time, and the alert.

Written with Faust's own means only, as its documentation shows them; nothing of Returnwatch's
transport or state.
"""

import time
from typing import Any, Final

import faust
import orjson

from schemas.alerts import alert_id
from schemas.times import rfc3339
from tests.bench.peers.arguments import Arguments

WITHIN_MS: Final = 30_000
IDLE_S: Final = 5.0
GRACE_MS: Final = 1_000
YEAR_2000_MS: Final = 946_684_800_000
DAY_MS: Final = 86_400_000
OUTCOMES: Final = ("accepted", "rejected", "cancelled", "pending", "error")
FINAL: Final = OUTCOMES[:3]


class Submission(faust.Record, serializer="json", validation=True):
    order_id: str
    submitted_at: int
    return_within_ms: int = WITHIN_MS
    attempt: int = 1
    kind: str = None
    provider: str = None
    merchant: str = None
    player: str = None
    amount_minor: int = None
    currency: str = None


class Return(faust.Record, serializer="json", validation=True):
    order_id: str
    returned_at: int
    outcome: str


def new_app(arguments: Arguments) -> faust.App:
    return faust.App(
        arguments.group,
        broker=f"kafka://{arguments.bootstrap}",
        datadir=arguments.folder,
        store="memory://",
        web_enabled=False,
        topic_replication_factor=1,
        topic_disable_leader=True,
        table_standby_replicas=0,
        broker_commit_interval=1.0,
        producer_linger=0.005,
    )


def run(app: faust.App) -> None:
    """Until SIGTERM."""
    faust.Worker(app, loglevel="WARNING", redirect_stdouts=False).execute_from_commandline()


class EventTime:
    """How far all partitions of both topics have been read; the wall clock's time where idle."""

    def __init__(self, partitions: int) -> None:
        self._expected = 2 * partitions
        self._seen_ms: dict[tuple[str, int], int] = {}
        self._read_at_s = 0.0

    def see(self, event: Any) -> None:
        if not self._seen_ms:
            print("reading", flush=True)
        message = event.message
        at = (message.topic, message.partition)
        self._seen_ms[at] = max(self._seen_ms.get(at, 0), int(message.timestamp * 1_000))
        self._read_at_s = time.monotonic()

    def now_ms(self) -> int:
        """Nothing before this is still to come; 0 while some partition has not been seen."""
        if not self._seen_ms:
            return 0
        if time.monotonic() - self._read_at_s > IDLE_S:
            return time.time_ns() // 1_000_000 - GRACE_MS
        return min(self._seen_ms.values()) if len(self._seen_ms) == self._expected else 0


def is_right(event: Any) -> bool:
    """The rules that a model cannot say."""
    order = event.value
    if not 1 <= len(order.order_id) <= 128 or event.key != order.order_id.encode():
        return False
    if isinstance(order, Return):
        return order.outcome in OUTCOMES and is_time(order.returned_at, event)
    return (
        is_time(order.submitted_at, event)
        and 1 <= order.return_within_ms <= 30 * DAY_MS
        and 1 <= order.attempt <= 255
        and (order.amount_minor is None) == (order.currency is None)
    )


def is_time(at_ms: int, event: Any) -> bool:
    return YEAR_2000_MS <= at_ms <= event.message.timestamp * 1_000 + DAY_MS


def kept(event: Any) -> dict[str, Any]:
    """What a table keeps of a submission."""
    order = event.value
    return {
        "deadline": order.submitted_at + order.return_within_ms,
        "source": [event.message.partition, event.message.offset],
        **{
            name: getattr(order, name)
            for name in (
                "submitted_at",
                "return_within_ms",
                "attempt",
                "kind",
                "provider",
                "merchant",
                "player",
                "amount_minor",
                "currency",
            )
        },
    }


def alert(order_id: str, order: dict[str, Any], topic: str) -> bytes:
    """That the order timed out, with Returnwatch's fields."""
    x = f"{order['attempt']}:{order['deadline']}"
    partition, offset = order["source"]
    return orjson.dumps(
        {
            "alert_id": alert_id("timed_out", order_id, x),
            "type": "timed_out",
            "severity": "critical",
            "order_id": order_id,
            **{name: order[name] for name in ("attempt", "kind", "provider", "merchant")},
            **{name: order[name] for name in ("player", "amount_minor", "currency")},
            "submitted_at": rfc3339(order["submitted_at"]),
            "deadline": rfc3339(order["deadline"]),
            "return_within_ms": order["return_within_ms"],
            "rule": "default",
            "source": {"topic": topic, "partition": partition, "offset": offset},
            "interim": None,
            "older": None,
            "unreadable": None,
        }
    )
