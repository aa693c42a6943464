"""The worker with a flaw or an end built in: `python -m tests.faults.sabotage worker`.

FAULTS_SABOTAGE holds a Sabotage as JSON. Signals are sent by the process to itself at a named step,
so that nothing runs between the step and the end; breaks take away what a guarantee stands on.
"""

import dataclasses
import json
import os
import signal
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from streams import takeover
from streams.core import compiled
from streams.core.sequence import Sequence
from streams.entry import main
from streams.state import ledger
from streams.state.changelog import State
from streams.state.ledger import Ledger, Page, Written
from streams.state.store import KafkaStore
from streams.transport import log_bounds, thread
from streams.transport.consumer import BatchConsumer

NAME: Final = "FAULTS_SABOTAGE"
CHANGELOG: Final = "changelog"
TOPICS: Final = {
    "order-alerts": "alerts",
    "order-dead-letters": "letters",
    "order-stats": "stats",
    "changelog": CHANGELOG,
}

Reached = Callable[[str], None]

CHECKPOINT_STEPS: Final = (
    "before_begin",
    *(f"{when}_send:{topic}" for topic in TOPICS.values() for when in ("before", "after")),
    "before_commit",
    "after_commit",
)
TAKEOVER_STEPS: Final = ("before_heartbeat", "before_fence", "after_fence", "after_restore")
BREAKS: Final = (
    "fence",
    "barrier: alerts before the header",
    "barrier: header before the alerts",
    "deduplication: closed orders",
    "deduplication: offsets",
    "frontier proof",
)


@dataclass(frozen=True, slots=True)
class Sabotage:
    """`signal` is sent when `step` is reached for the `nth` time; `broken` is one of BREAKS.

    The session is short, so that what a dead worker held moves on soon.
    """

    step: str = ""
    nth: int = 1
    signal: str = "SIGKILL"
    broken: str = ""
    session_ms: int = 2_000

    def env(self) -> dict[str, str]:
        return {NAME: json.dumps(dataclasses.asdict(self))}


class Steps:
    """Counts a named step, and ends or stops the process there."""

    def __init__(self, sabotage: Sabotage) -> None:
        self._sabotage = sabotage
        self._count = 0

    def reached(self, step: str) -> None:
        """Called as the step is passed."""
        if step != self._sabotage.step:
            return
        self._count += 1
        if self._count == self._sabotage.nth:
            os.kill(os.getpid(), signal.Signals[self._sabotage.signal])


def mark_steps(reached: Reached) -> None:
    """Have every named step of a partition reported before or after what it names."""
    around(Ledger, "write", lambda it: is_partitions(it._producer) and reached("before_begin"))
    around(
        Ledger,
        "fence",
        lambda it: is_partitions(it._producer) and reached("before_fence"),
        lambda it: is_partitions(it._producer) and reached("after_fence"),
    )
    around(BatchConsumer, "heartbeat", lambda _: reached("before_heartbeat"))
    around(KafkaStore, "restore", lambda _: None, lambda _: reached("after_restore"))
    producer = ledger.AIOKafkaProducer
    around(
        producer,
        "commit_transaction",
        lambda it: is_partitions(it) and reached("before_commit"),
        lambda it: is_partitions(it) and reached("after_commit"),
    )
    mark_sending(reached, "_send", lambda topic, *_: name_of(topic))
    mark_sending(reached, "_send_changelog", lambda _: CHANGELOG)


def mark_sending(reached: Reached, method: str, what: Callable[..., str]) -> None:
    """Before and after the ledger sends `what`; a changelog is always sent by the method for it."""
    send = getattr(Ledger, method)

    async def marked(self: Ledger, *args: Any) -> Any:
        name = what(*args) if is_partitions(self._producer) else None
        if name is None or (name == CHANGELOG and method == "_send"):
            return await send(self, *args)
        reached(f"before_send:{name}")
        futures = await send(self, *args)
        for future in futures:
            await future
        reached(f"after_send:{name}")
        return futures

    setattr(Ledger, method, marked)


def name_of(topic: str) -> str:
    """What is sent to it, as steps call it."""
    return next(name for end, name in TOPICS.items() if topic.endswith(end))


def is_partitions(producer: Any) -> bool:
    """Whether it writes a partition's checkpoints, not those of the owner of incidents."""
    transactional_id: str = producer._txn_manager.transactional_id
    return "-incidents" not in transactional_id  # At its end, but where the fence is broken.


def around(
    of: Any, name: str, before: Callable[[Any], Any], after: Callable[[Any], Any] | None = None
) -> None:
    """Call `before` and `after` it with the object whose method it is."""
    original = getattr(of, name)

    async def marked(self: Any, *args: Any, **options: Any) -> Any:
        before(self)
        outcome = await original(self, *args, **options)
        if after is not None:
            after(self)
        return outcome

    setattr(of, name, marked)


def break_fence(_: Reached) -> None:
    """Every process writes under a transactional id of its own."""
    producer = ledger.AIOKafkaProducer

    def unfenced(*, transactional_id: str, **options: Any) -> Any:
        own = f"{transactional_id}-{uuid.uuid4()}"
        return producer(transactional_id=own, **options)

    ledger.AIOKafkaProducer = unfenced


def break_barrier(reached: Reached, *, alerts_first: bool) -> None:
    """Alerts and header are written in two transactions, with a step `between` them."""
    write = Ledger.write

    async def in_two(self: Ledger, page: Page) -> Written:
        outputs = Page(outputs=page.outputs, elsewhere=page.elsewhere)
        header = Page(changelog=page.changelog)
        if not any(topic.endswith("order-alerts") for topic in page.outputs):
            return await write(self, page)
        first, second = (outputs, header) if alerts_first else (header, outputs)
        await write(self, first)
        reached("between")
        return await write(self, second)

    Ledger.write = in_two  # type: ignore[method-assign] # That is what this module is for.


def break_memory_of_closed_orders(_: Reached) -> None:
    """A restore forgets which orders were closed."""
    change_restored(lambda state: state.segments.clear())


def break_memory_of_offsets(_: Reached) -> None:
    """A restore forgets how far the inputs were worked."""

    def forget(state: State) -> None:
        state.header = None
        state.orders.clear()
        state.segments.clear()

    change_restored(forget)
    BatchConsumer.committed = never_committed


async def never_committed(*_: Any) -> None:
    """No group offsets, so that the lost header looks like a new partition."""


def change_restored(change: Callable[[State], None]) -> None:
    """Also past the check that would find the change."""
    restore = KafkaStore.restore

    async def changed(self: KafkaStore, partition: int, **options: Any) -> State:
        state = await restore(self, partition, **options)
        change(state)
        return state

    KafkaStore.restore = changed  # type: ignore[method-assign] # That is what this module is for.
    State.check = lambda _: None  # type: ignore[method-assign] # The same.


def break_frontier_proof(_: Reached) -> None:
    """The end of a topic counts as reached, wherever the reader stands."""
    prove = Sequence.prove

    def always(self: Sequence, side: int, high_watermark: int, to_ms: int) -> bool:
        return prove(self, side, min(high_watermark, self.position(side)), to_ms)

    # Then the Python is used, which can be broken from outside.
    compiled.lane = None  # type: ignore[assignment] # That is what this module is for.
    Sequence.prove = always  # type: ignore[method-assign] # That is what this module is for.


def break_log_end(_: Reached) -> None:
    """The high watermark counts as the end of a log."""
    log_bounds.NO_CONSUMER = -1  # type: ignore[misc] # A consumer's number.


BREAK: Final[dict[str, Callable[[Reached], None]]] = {
    "": lambda _: None,
    "fence": break_fence,
    "barrier: alerts before the header": partial(break_barrier, alerts_first=True),
    "barrier: header before the alerts": partial(break_barrier, alerts_first=False),
    "deduplication: closed orders": break_memory_of_closed_orders,
    "deduplication: offsets": break_memory_of_offsets,
    "frontier proof": break_frontier_proof,
    "log end": break_log_end,
}


def run() -> None:
    """Patch as told, then be the worker."""
    sabotage = Sabotage(**json.loads(os.environ[NAME]))
    thread.SESSION_TIMEOUT_MS = sabotage.session_ms  # type: ignore[misc] # Short for tests.
    thread.HEARTBEAT_INTERVAL_MS = 300  # type: ignore[misc] # The same.
    takeover.HEARTBEAT_FRESH_S = sabotage.session_ms / 4_000  # type: ignore[misc] # Within it.
    reached = Steps(sabotage).reached
    mark_steps(reached)
    BREAK[sabotage.broken](reached)
    main()


if __name__ == "__main__":
    run()
