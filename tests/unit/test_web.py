"""The web port: alive at once, ready when nothing speaks against it, metrics as text."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientConnectorError, ClientSession
from prometheus_client.parser import text_string_to_metric_families

from streams.settings import Settings
from streams.web.metrics import Snapshot, render
from streams.web.server import Pages, PortTaken, WebServer
from streams.web.status import Status
from tests.broker.process import free_port


async def no_metrics() -> bytes:
    return render(Snapshot((), {}, {}, ("partitioner",), 0))


def pages_with(*reasons: str) -> Pages:
    return Pages(lambda: list(reasons), no_metrics)


@asynccontextmanager
async def served(pages: Pages) -> AsyncIterator[str]:
    """The address of a server with these pages."""
    port = free_port()
    async with WebServer(pages, host="127.0.0.1", port=port):
        yield f"http://127.0.0.1:{port}"


async def get(url: str) -> tuple[int, str, str]:
    """Status, text and content type."""
    async with ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text(), answer.headers["Content-Type"]


async def test_it_is_alive_as_soon_as_it_answers() -> None:
    async with served(pages_with("anything")) as address:
        status, text, _ = await get(f"{address}/livez")

    assert (status, text) == (200, "alive\n")


async def test_it_is_ready_where_nothing_speaks_against_it() -> None:
    async with served(pages_with()) as address:
        status, text, _ = await get(f"{address}/readyz")

    assert (status, text) == (200, "ready\n")


async def test_what_speaks_against_it_stands_on_the_page_line_by_line() -> None:
    async with served(pages_with("One reason.", "Another.")) as address:
        status, text, _ = await get(f"{address}/readyz")

    assert (status, text) == (503, "One reason.\nAnother.\n")


async def test_metrics_are_read_by_prometheus() -> None:
    async with served(pages_with()) as address:
        status, text, content_type = await get(f"{address}/metrics")

    samples = [it for family in text_string_to_metric_families(text) for it in family.samples]
    assert status == 200
    assert content_type.startswith("text/plain; version=")
    assert [(it.name, it.labels, it.value) for it in samples] == [
        ("returnwatch_verdicts_held", {"reason": "partitioner"}, 1),
        ("returnwatch_incidents_owner", {}, 0),
    ]


async def test_another_page_is_not_found() -> None:
    async with served(pages_with()) as address:
        status, _, _ = await get(f"{address}/metric")

    assert status == 404


async def test_a_port_that_is_taken_is_said_with_what_to_do() -> None:
    async with served(pages_with()) as address:
        port = int(address.rpartition(":")[2])
        second = WebServer(pages_with(), host="127.0.0.1", port=port)

        with pytest.raises(
            PortTaken, match=f"127.0.0.1:{port} cannot be opened: another program listens there. Ch"
        ):
            await second.__aenter__()

        assert (await get(f"{address}/livez"))[0] == 200


async def test_an_address_that_is_not_ours_is_said_too() -> None:
    with pytest.raises(
        PortTaken,
        match=r"192\.0\.2\.1:\d+ cannot be opened: it is no address of this machine\. Choose",
    ):
        await WebServer(pages_with(), host="192.0.2.1", port=free_port()).__aenter__()


async def test_port_0_serves_nothing() -> None:
    async with WebServer(pages_with(), host="127.0.0.1", port=0) as server:
        assert server is not None


async def test_the_port_is_free_again_afterwards() -> None:
    async with served(pages_with()) as address:
        pass

    with pytest.raises(ClientConnectorError):
        await get(f"{address}/livez")


async def test_before_there_is_a_worker_it_says_that_it_is_connecting() -> None:
    pages = Status(Settings(bootstrap_servers="kafka:9092")).pages()

    assert pages.unready() == ["connecting to the broker at kafka:9092"]
    assert b"returnwatch_records_read_total" in await pages.metrics()
