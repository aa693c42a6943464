"""Serves `/livez`, `/readyz` and `/metrics`."""

import errno
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Self

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

SHUTDOWN_TIMEOUT_S: Final = 1.0


class PortTaken(Exception):
    """The web port cannot be opened; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Pages:
    """What the pages say; `unready` gives the reasons not to be ready, none if it is; `stuck` those
    not to be alive."""

    unready: Callable[[], list[str]]
    metrics: Callable[[], Awaitable[bytes]]
    stuck: Callable[[], list[str]] = list


class WebServer:
    """An async context manager; port 0 serves nothing."""

    def __init__(self, pages: Pages, *, host: str, port: int) -> None:
        self._pages = pages
        self._host = host
        self._port = port
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        if self._port == 0:
            return self
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise PortTaken(
                f"The web port {self._host}:{self._port} cannot be opened: {_words(error)}. Choose "
                "another RETURNWATCH_WEB_PORT, or 0 for none."
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _livez(self, _: web.Request) -> web.Response:
        return _page("alive", self._pages.stuck())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _page("ready", self._pages.unready())

    async def _metrics(self, _: web.Request) -> web.Response:
        body = await self._pages.metrics()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _page(good: str, reasons: list[str]) -> web.Response:
    if reasons:
        return web.Response(status=503, text="".join(f"{reason}\n" for reason in reasons))
    return web.Response(text=f"{good}\n")


def _words(error: OSError) -> str:
    """asyncio tells the address once more, and the error of the system after it."""
    if error.errno == errno.EADDRINUSE:
        return "another program listens there"
    if error.errno in (None, errno.EADDRNOTAVAIL):  # From Python 3.12 on it comes without a number.
        return "it is no address of this machine"
    return os.strerror(error.errno) if error.errno > 0 else str(error.strerror or error)
