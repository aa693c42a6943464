"""A shop under way: orders to several providers, answered as they should be, until one is broken.

with Shop(bootstrap, names) as shop:
    shop.silent.add("pg")
"""

import threading
import time
from itertools import chain
from types import TracebackType
from typing import Final, Self

from tests.broker.orders import a_return, submission
from tests.broker.records import new_producer, put
from tests.broker.topics import Names

TICK_S: Final = 0.1
ANSWER_TICKS: Final = 2


class Shop:
    """Two orders a tick and provider, each answered two ticks later."""

    def __init__(
        self, bootstrap: str, names: Names, *, providers: tuple[str, ...] = ("pg", "acme")
    ) -> None:
        self.silent: set[str] = set()  # These providers answer nothing for now.
        self.lost: list[str] = []  # Ids of what was never answered.
        self._bootstrap = bootstrap
        self._names = names
        self._providers = providers
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closed.set()
        self._thread.join(10)

    def _run(self) -> None:
        producer = new_producer(self._bootstrap)
        waiting: list[list[tuple[str, str]]] = [[] for _ in range(ANSWER_TICKS)]
        tick = 0
        while not self._is_closed.is_set():
            sent = []
            for provider in self._providers:
                for number in range(2):
                    order_id = f"{provider}-{tick:05}-{number}"
                    fields = {"provider": provider, "merchant": "bakery", "kind": "card"}
                    order = submission(order_id, amount_minor=100, currency="EUR", **fields)
                    put(producer, self._names.submitted, order)
                    sent.append((provider, order_id))
            waiting.append(sent)
            for provider, order_id in waiting.pop(0):
                if provider in self.silent:
                    self.lost.append(order_id)
                else:
                    put(producer, self._names.returned, a_return(order_id, provider=provider))
            producer.poll(0)
            tick += 1
            time.sleep(TICK_S)
        for provider, order_id in chain.from_iterable(waiting):
            if provider not in self.silent:
                put(producer, self._names.returned, a_return(order_id, provider=provider))
        producer.flush(10)
