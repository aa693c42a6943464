"""A TCP proxy between workers and one broker, that can cut, delay and drop one way.

It rewrites nothing: the broker advertises the proxy's port on a listener of its own. Bytes that
were dropped are gone, so healing closes the connections that missed some, as a network would
once the senders give up.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Self

from tests.faults.requests import Requests

CHUNK_BYTES: Final = 64 * 1024
CALL_TIMEOUT_S: Final = 5.0

Mode = Literal["pass", "cut", "drop to broker", "drop to worker", "delay"]


@dataclass(eq=False, slots=True)
class Link:
    """One connection and its two ends; `is_torn` once bytes of it were dropped."""

    worker: asyncio.StreamWriter
    broker: asyncio.StreamWriter
    is_torn: bool = False
    pumps: list["asyncio.Task[None]"] = field(default_factory=list)

    def close(self) -> None:
        for end in (self.worker, self.broker):
            end.transport.abort()


class Proxy:
    """A context manager; listens on `port` of loopback and passes on to `target`."""

    def __init__(self, port: int, target: int) -> None:
        self._port = port
        self._target = target
        self._mode: Mode = "pass"
        self._delay_s = 0.0
        self._links: set[Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self.passed_bytes = 0
        self.requests: Counter[str] = Counter()  # Of all workers, by what they ask.
        self.dropped_bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_TIMEOUT_S)
        self._loop.close()

    def set(self, mode: Mode, delay_s: float = 0.0) -> None:
        """What happens to what comes from now on."""
        self._call(self._set(mode, delay_s))

    async def _set(self, mode: Mode, delay_s: float) -> None:
        self._mode, self._delay_s = mode, delay_s
        for link in list(self._links):
            if mode == "cut" or link.is_torn:
                link.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        pumps = [pump for link in self._links for pump in link.pumps]
        for link in list(self._links):
            link.close()
        await asyncio.gather(*pumps, return_exceptions=True)
        await asyncio.sleep(0)  # What was aborted tells its transports before the loop ends.

    async def _accept(
        self, from_worker: asyncio.StreamReader, worker: asyncio.StreamWriter
    ) -> None:
        if self._mode == "cut":
            worker.transport.abort()
            return
        try:
            from_broker, broker = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # The broker is down, and so is what stands before it.
            worker.transport.abort()
            return
        link = Link(worker, broker)
        self._links.add(link)
        link.pumps = [
            asyncio.create_task(self._pump(link, from_worker, broker)),
            asyncio.create_task(self._pump(link, from_broker, worker)),
        ]
        await asyncio.gather(*link.pumps, return_exceptions=True)
        self._links.discard(link)

    async def _pump(
        self, link: Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        requests = Requests(self.requests)
        dropped: Mode = "drop to broker" if sink is link.broker else "drop to worker"
        try:
            while chunk := await source.read(CHUNK_BYTES):
                if self._mode == "delay":
                    await asyncio.sleep(self._delay_s)
                if self._mode == dropped or link.is_torn:
                    link.is_torn = True
                    self.dropped_bytes += len(chunk)
                    continue
                self.passed_bytes += len(chunk)
                if sink is link.broker:
                    requests.feed(chunk)
                sink.write(chunk)
                await sink.drain()
        except OSError:  # Either end is gone, and with it the whole link.
            pass
        finally:
            link.close()

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(CALL_TIMEOUT_S)
