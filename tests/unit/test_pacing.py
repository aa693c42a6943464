"""When a consumer's fetches are sent, and how far apart."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest

from streams.transport.pacing import GAP_PER_PARTITION_S, pace_fetches


class Client:
    """Notes when something is sent."""

    def __init__(self) -> None:
        self.sent_s: list[float] = []

    async def send(self, node_id: int, request: Any) -> int:
        self.sent_s.append(time.monotonic())
        return node_id


def a_fetch(partitions: int) -> FetchRequest:
    wanted = [(number, 0, 1_000) for number in range(partitions)]
    return FetchRequest(100, 1, 1_000, 1, [("order-submitted", wanted)])


def paced(client: Client) -> Any:
    """A consumer with this client, and with aiokafka's own patience."""
    consumer = SimpleNamespace(_client=client, _fetcher=SimpleNamespace(_prefetch_backoff=0.1))
    pace_fetches(consumer)
    return consumer


async def gap_s(*, first: tuple[int, Any], second: tuple[int, Any]) -> float:
    """Between two requests that are made at once, each to its broker."""
    client = Client()
    paced(client)
    node_ids = [await client.send(*request) for request in (first, second)]
    assert node_ids == [first[0], second[0]]
    return client.sent_s[1] - client.sent_s[0]


async def test_a_fetch_comes_the_later_after_the_last_the_more_partitions_that_named() -> None:
    few = await gap_s(first=(1, a_fetch(10)), second=(1, a_fetch(10)))
    many = await gap_s(first=(1, a_fetch(500)), second=(1, a_fetch(500)))

    assert few >= 10 * GAP_PER_PARTITION_S
    assert many >= 500 * GAP_PER_PARTITION_S


async def test_however_many_partitions_there_are_the_gap_has_a_limit() -> None:
    assert await gap_s(first=(1, a_fetch(500_000)), second=(1, a_fetch(1))) < 10


async def test_nothing_but_the_fetches_of_the_same_broker_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.transport.pacing.GAP_MAX_S", 60.0)

    to_another = await gap_s(first=(1, a_fetch(600_000)), second=(2, a_fetch(1)))
    beside = await gap_s(first=(1, a_fetch(600_000)), second=(1, MetadataRequest([])))

    assert max(to_another, beside) < 10


async def test_after_a_pause_a_fetch_is_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.transport.pacing.GAP_MAX_S", 0.5)
    client = Client()
    paced(client)
    await client.send(1, a_fetch(5_000))
    await asyncio.sleep(0.5)

    asked_s = time.monotonic()
    await client.send(1, a_fetch(5_000))

    assert client.sent_s[1] - asked_s < 0.4
