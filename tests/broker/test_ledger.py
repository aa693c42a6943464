"""A ledger: what it writes, and where its process stands still in the middle of a checkpoint."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import pytest

from streams.core import compiled
from streams.core.kept import KeyValue
from streams.settings_kafka import KafkaSettings
from streams.state import ledger as ledgers
from streams.state.ledger import BATCH_BYTES, Fenced, Ledger, Page
from tests.broker.records import read_all, read_until
from tests.broker.topics import Names, create_topics

pytestmark = pytest.mark.real_kafka

LIMIT_S: Final = 1.0
RECORD: Final = (b"key", b"value")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "WRITE_TIMEOUT_S", LIMIT_S)


class StandsStill(list[KeyValue]):
    """A changelog whose writer stands still before its first record, for longer than the limit."""

    def __init__(self, *records: KeyValue, meanwhile: Callable[[], None]) -> None:
        super().__init__(records)
        self._meanwhile = meanwhile

    def __iter__(self) -> Iterator[KeyValue]:
        until_s = time.monotonic() + 2 * LIMIT_S
        self._meanwhile()
        time.sleep(max(until_s - time.monotonic(), 0))
        return super().__iter__()


async def may_fence() -> None:
    """Always."""


@pytest.fixture
def new_ledger(bootstrap: str, names: Names) -> Callable[[], Ledger]:
    create_topics(bootstrap, names.topics())
    options = KafkaSettings(bootstrap_servers=bootstrap).kafka_client_options()
    options["client_id"] = names.app_id
    return partial(Ledger, options, app_id=names.app_id, changelog=names.changelog, partition=0)


async def test_one_that_another_fenced_meanwhile_says_so_when_it_wakes(
    new_ledger: Callable[[], Ledger], bootstrap: str, names: Names
) -> None:
    async def take_over() -> None:
        async with closing(new_ledger()) as other:
            await other.fence(may_fence)

    def in_another_process() -> None:
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(asyncio.run, take_over()).result()

    async with closing(new_ledger()) as ledger:
        await ledger.fence(may_fence)
        with pytest.raises(Fenced):
            await ledger.write(Page(changelog=StandsStill(RECORD, meanwhile=in_another_process)))

    assert read_all(bootstrap, names.changelog) == []


async def test_one_that_nobody_took_over_from_commits_when_it_wakes(
    new_ledger: Callable[[], Ledger], bootstrap: str, names: Names
) -> None:
    async with closing(new_ledger()) as ledger:
        await ledger.fence(may_fence)
        await ledger.write(Page(changelog=StandsStill(RECORD, meanwhile=lambda: None)))

    # A broker answers a commit before its marker stands in the log.
    written = read_until(bootstrap, names.changelog, 1)
    assert [(it.key, it.value) for it in written] == [RECORD]


async def test_changes_in_one_piece_are_written_as_others_are(
    new_ledger: Callable[[], Ledger], bootstrap: str, names: Names
) -> None:
    """Over several batches, and with one value that is larger than a batch may be."""
    orders = [(b"order-%d" % at, b"x" * (at % 300) if at % 3 else None) for at in range(5_000)]
    header = (b"h", b"the last")
    large = (b"large", b"y" * (BATCH_BYTES + 1))
    pages = [[*orders, header], [header], [large, header]]

    async with closing(new_ledger()) as ledger:
        await ledger.fence(may_fence)
        for page in pages:
            await ledger.write(Page(changelog=in_one_piece(page)))

    written = read_until(bootstrap, names.changelog, sum(map(len, pages)))
    assert [(it.key, it.value) for it in written] == [pair for page in pages for pair in page]


def in_one_piece(page: list[KeyValue]) -> compiled.AnyPairs:
    """As the orders give it where the core is compiled."""
    kept = compiled.kept()
    if kept is None:
        return page
    pairs = kept[0].take_changes()
    pairs.extend(page)
    return pairs


@asynccontextmanager
async def closing(ledger: Ledger) -> AsyncIterator[Ledger]:
    try:
        yield ledger
    finally:
        await ledger.close()
