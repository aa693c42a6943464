"""`python -m tests.bench.steady ORDERS EVENTS`: the CPU of an event while so many orders are open.

In process, without a broker: record batches are taken apart and fed to a watch as the worker does
it, and its pages are made at the worker's interval. First the orders are opened; then for each new
order the result of an older one comes, in scattered order, so that as many stay open. One in 100
never gets its result and times out. Making the batches is not in the time. Closed orders are
remembered for a minute, in any size as many.
"""

import gc
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

import orjson
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from schemas.records import RETURNED, SUBMITTED, Record
from streams.core.rules import Policy, single_rule
from streams.core.sequence import NEVER_MS
from streams.interpreter import tune
from streams.state.changelog import State
from streams.state.header import Progress, first_header
from streams.transport import unpacking
from streams.watch import Duty, Instant, Watch
from tests.bench.load import a_return, submission
from tests.bench.usage import rss_bytes
from tests.broker.records import NewRecord

BEGIN_MS: Final = 1_800_000_000_000
ORDERS_PER_MS: Final = 5  # In event time.
REMEMBER_MS: Final = 60_000
BATCH_ORDERS: Final = 1_000  # Fed at a time, of each side.
BATCH_BYTES_MAX: Final = 2**20
PAGE_MS: Final = 5_000  # The worker's checkpoint interval, in event time.
LOST_EVERY: Final = 100
SPARE_MS: Final = 1_000  # A result comes within two rounds; the deadline is so much later.
SCATTER: Final = 7_919  # A prime, so that its multiples visit every order of a round once.
FAR_MS: Final = BEGIN_MS * 2


@dataclass(slots=True)
class Steady:
    """What it cost; `steps_ms` are the longest single steps, in which nothing else goes on."""

    orders: int
    events: int = 0
    cpu_s: float = 0.0
    opening_cpu_s: float = 0.0
    alerts: int = 0
    rss_mb: float = 0.0
    bytes_an_order: float = 0.0
    put_back_s: float = 0.0
    steps_ms: list[float] = field(default_factory=list)

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.events * 1e6


class Feeder:
    """Feeds a watch and notes what that cost."""

    def __init__(self, within_ms: int, remember_ms: int) -> None:
        policy = Policy(single_rule(within_ms), hold_ms=remember_ms, remember_ms=remember_ms)
        self._duty = Duty("growth", "submitted", "returned", "alerts", "letters", policy, "growth")
        self._kept: dict[bytes, bytes] = {}  # The orders as the changelog has them.
        self._offsets = [0, 0]
        self._paged_ms = 0
        self.watch = self._watch(State())
        self.alerts = 0
        self.cpu_s = 0.0
        self.steps_ms: list[float] = []

    def feed(self, sides: dict[int, list[NewRecord]], now_ms: int) -> None:
        """Everything of one batch, up to its last arrival."""
        batches = {side: self._batch(side, new) for side, new in sides.items()}
        began_s = time.process_time()
        for side, (bounds, batch) in batches.items():
            self.watch.feed(side, bounds, records_of(batch))
        for side in (SUBMITTED, RETURNED):
            self.watch.sequence.prove(side, 0, now_ms)
        self.watch.work(FAR_MS)
        while self.watch.is_overdue and self.watch.can_go_on(FAR_MS):
            self.watch.work(FAR_MS)
        is_due = now_ms - self._paged_ms >= PAGE_MS
        page = self.watch.page(Instant(now_ms)) if is_due else None
        took_s = time.process_time() - began_s
        self.cpu_s += took_s
        self.steps_ms.append(took_s * 1_000)
        if page is not None:
            self._paged_ms = now_ms
            self.alerts += sum(map(len, page.outputs.values()))

    def put_back_s(self) -> float:
        """How long a watch takes to be made from these orders, once they are read."""
        orders = dict(self.watch.tracker.book.orders)
        began_s = time.process_time()
        self._watch(State(orders=orders))
        return time.process_time() - began_s

    def _watch(self, state: State) -> Watch:
        start = Progress(0, NEVER_MS, None)
        digest = self._duty.policy.digest()
        state.header = first_header((start, start), partitions=1, policy_digest=digest)
        return Watch(self._duty, 0, state)

    def _batch(self, side: int, new: list[NewRecord]) -> tuple[tuple[int, int], bytes]:
        first = self._offsets[side]
        self._offsets[side] = first + len(new)
        return (first, first + len(new)), batch_of(first, new)


def batch_of(first_offset: int, new: list[NewRecord]) -> bytes:
    """A record batch as a broker keeps it."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=BATCH_BYTES_MAX,
    )
    for at, it in enumerate(new):
        builder.append(at, timestamp=it.timestamp_ms, key=it.key, value=it.value, headers=[])
    return first_offset.to_bytes(8, "big") + bytes(builder.build())[8:]


def records_of(batch: bytes) -> Sequence[Record]:
    """As the worker takes a batch apart, with the core compiled or without."""
    if unpacking.IN_PLACE:
        block = unpacking.Block()
        block.add_batch(batch, 0, 0, unpacking._decompressed)
        return block
    found = MemoryRecords(batch).next_batch()
    return [Record(it.offset, it.timestamp, it.key, it.value, it.headers) for it in found]


def measure(orders: int, events: int, *, remember_ms: int = REMEMBER_MS) -> Steady:
    assert orders % BATCH_ORDERS == 0, f"orders come in batches of {BATCH_ORDERS:,}"
    found = Steady(orders)
    feeder = Feeder(2 * orders // ORDERS_PER_MS + SPARE_MS, remember_ms)
    before = rss_bytes()
    for batch in range(orders // BATCH_ORDERS):
        feeder.feed({SUBMITTED: _submitted(batch)}, _at_ms(batch))
    found.opening_cpu_s = feeder.cpu_s
    found.bytes_an_order = (rss_bytes() - before) / orders
    warm_up = max(orders, remember_ms * ORDERS_PER_MS) // BATCH_ORDERS
    first = orders // BATCH_ORDERS
    _turn_over(feeder, orders, range(first, first + warm_up))
    feeder.cpu_s, feeder.alerts = 0.0, 0
    feeder.steps_ms.clear()
    measured = range(first + warm_up, first + warm_up + max(events // (2 * BATCH_ORDERS), 1))
    found.events = _turn_over(feeder, orders, measured)
    found.cpu_s, found.alerts = feeder.cpu_s, feeder.alerts
    found.steps_ms = [round(step, 2) for step in sorted(feeder.steps_ms)[-5:]]
    found.rss_mb = rss_bytes() / 2**20
    found.put_back_s = feeder.put_back_s()
    return found


def _turn_over(feeder: Feeder, orders: int, batches: range) -> int:
    """As many results as new orders, but for the lost ones; the number of events."""
    events = 0
    for batch in batches:
        new = _submitted(batch)
        back = list(_returned(batch, orders))
        feeder.feed({SUBMITTED: new, RETURNED: back}, _at_ms(batch))
        events += len(new) + len(back)
    return events


def _submitted(batch: int) -> list[NewRecord]:
    first = batch * BATCH_ORDERS
    numbers = range(first, first + BATCH_ORDERS)
    return [submission(number, BEGIN_MS + number // ORDERS_PER_MS) for number in numbers]


def _returned(batch: int, orders: int) -> Iterator[NewRecord]:
    """Of the orders of the round before, each once."""
    for number in range(batch * BATCH_ORDERS, (batch + 1) * BATCH_ORDERS):
        round_begin = (number // orders - 1) * orders
        of = round_begin + number % orders * SCATTER % orders
        if of % LOST_EVERY:
            yield a_return(of, BEGIN_MS + number // ORDERS_PER_MS)


def _at_ms(batch: int) -> int:
    """The arrival of a batch's last record."""
    return BEGIN_MS + ((batch + 1) * BATCH_ORDERS - 1) // ORDERS_PER_MS


def main() -> None:
    orders, events = map(int, sys.argv[1:3])
    tune()
    found = measure(orders, events)
    gc.unfreeze()
    print(orjson.dumps(asdict(found)).decode())


if __name__ == "__main__":
    main()
