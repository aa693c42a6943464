"""A charge's checkpoints: one at a time, and none after one that failed."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from schemas.records import RETURNED, SUBMITTED
from schemas.stats import HEARTBEAT_S
from streams.charge import CHECKPOINTS_TOGETHER, SETTLE_BEHIND_MS, Charge, Pace
from streams.state.changelog import State
from streams.state.ledger import LedgerError, Page, Written
from streams.watch import Watch
from tests.unit.charges import DUTY, START_MS, Clock, Pages, a_header, new_charge, submit


@dataclass(slots=True)
class Silent:
    """A ledger whose broker does not answer."""

    begun: list[Page] = field(default_factory=list)

    async def write(self, page: Page) -> Written:
        self.begun.append(page)
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")


class Failing:
    """A ledger whose broker refuses."""

    async def write(self, page: Page) -> Written:
        raise LedgerError("refused")


def with_ledger(ledger: Any) -> Charge:
    charge = new_charge(Clock())
    charge.ledger = ledger
    charge.probe()
    return charge


async def test_after_a_checkpoint_that_was_given_up_nobody_writes_another() -> None:
    """A verdict made meanwhile is in no page: the next owner of the partition makes it again."""
    silent = Silent()
    charge = with_ledger(silent)
    first = asyncio.create_task(charge.checkpoint())
    await asyncio.sleep(0)
    second = asyncio.create_task(charge.checkpoint())
    await asyncio.sleep(0)
    charge.probe()

    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)

    assert len(silent.begun) == 1
    assert charge.is_dropped


async def test_after_a_checkpoint_that_failed_nobody_writes_another() -> None:
    charge = with_ledger(Failing())
    with pytest.raises(LedgerError):
        await charge.checkpoint()
    charge.ledger = Pages()  # type: ignore[assignment] # A list is a ledger enough here.
    charge.probe()

    await charge.checkpoint()

    assert charge.ledger.written == []


async def test_group_offsets_are_those_of_the_newest_checkpoint_that_is_committed() -> None:
    silent = Silent()
    charge = with_ledger(silent)
    writing = asyncio.create_task(charge.checkpoint())
    await asyncio.sleep(0)

    assert len(silent.begun) == 1
    assert set(charge.offsets().values()) == {0}
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def test_a_probe_writes_a_checkpoint_that_holds_nothing_but_the_header() -> None:
    charge = new_charge(Clock())
    charge.probe()

    await charge.checkpoint()
    await charge.checkpoint()

    pages: Any = charge.ledger
    (page,) = pages.written
    assert [key for key, _ in page.changelog if key == b"h"] == [b"h"]
    assert page.outputs == {}


async def test_an_idle_partition_is_written_now_and_then_so_that_its_transactional_id_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.charge.IDLE_CHECKPOINT_S", 0.1)
    monkeypatch.setattr("streams.charge.LOOK_S", 0.01)
    charge = new_charge(Clock())
    pages: Any = charge.ledger
    writing = asyncio.create_task(charge.keep_written())

    await asyncio.sleep(0.05)
    before = len(pages.written)
    await asyncio.sleep(0.3)
    writing.cancel()

    page, *_ = pages.written
    assert before == 0
    assert (page.outputs, page.changelog[-1][0]) == ({}, b"h")


def with_rows(ledger: Any, *, behind_ms: int = 0) -> Charge:
    """Of one second, which is over, and nothing else to write."""
    clock = Clock()
    charge = new_charge(clock)
    charge.ledger = ledger
    charge.watch = Watch(replace(DUTY, stats_topic="counts"), 0, State(header=a_header()))
    charge.rhythm = replace(charge.rhythm, interval_s=1)
    submit(charge, "open", START_MS)
    clock.now_ms = START_MS + 3_000
    for side in (SUBMITTED, RETURNED):
        charge.watch.sequence.prove(side, charge.watch.sequence.position(side), clock.now_ms)
    charge.work()
    assert charge.watch.tally is not None
    assert charge.watch.tally.has_rows
    clock.now_ms += behind_ms
    return charge


@pytest.mark.parametrize("behind_ms", [0, SETTLE_BEHIND_MS // 2])
async def test_before_a_heartbeat_the_rows_that_wait_are_written(behind_ms: int) -> None:
    pages = Pages()
    charge = with_rows(pages, behind_ms=behind_ms)
    writing = asyncio.create_task(charge.keep_written())

    await charge.settle()
    writing.cancel()

    (page,) = pages.written
    assert "counts" in page.outputs


async def test_far_behind_rows_wait_for_the_interval() -> None:
    pages = Pages()
    charge = with_rows(pages, behind_ms=2 * SETTLE_BEHIND_MS)
    charge.rhythm = replace(charge.rhythm, interval_s=HEARTBEAT_S)
    writing = asyncio.create_task(charge.keep_written())

    await charge.settle()
    writing.cancel()

    assert pages.written == []


async def test_rows_that_cannot_be_written_before_a_heartbeat_end_the_writer_who_is_heard() -> None:
    charge = with_rows(Failing())
    writing = asyncio.create_task(charge.keep_written())

    await charge.settle()

    with pytest.raises(LedgerError, match="refused"):
        await writing
    assert charge.is_dropped


async def turns_s(pace: Pace, count: int) -> float:
    """How long so many wait for their turn who come at once."""
    began_s = time.monotonic()
    await asyncio.gather(*(pace.turn() for _ in range(count)))
    return time.monotonic() - began_s


async def test_checkpoints_begin_no_faster_than_the_limit() -> None:
    assert await turns_s(Pace(100), 11) >= 0.1


async def test_where_checkpoints_take_longer_fewer_begin_so_that_more_alerts_share_one() -> None:
    slow = Pace(10_000)
    for _ in range(100):
        slow.note(0.008 * CHECKPOINTS_TOGETHER)

    assert await turns_s(slow, 11) >= 0.079


async def test_one_that_hangs_does_not_keep_the_others_from_beginning() -> None:
    pace = Pace(10_000)
    pace.note(60_000.0)

    assert await turns_s(pace, 11) < 10
