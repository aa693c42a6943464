"""Long work is in the log; a worker at the edge says nothing."""

from collections.abc import Iterable
from typing import Any

from aiokafka import TopicPartition
from structlog.testing import capture_logs

from streams.charge import Charge
from streams.guards import Holds
from streams.progress import Reporter
from streams.takeover import RestoreProgress
from streams.transport.log_bounds import BrokerUnavailable
from tests.unit.charges import RETURN_WITHIN_MS, START_MS, Clock, answer, new_charge, submit


class Ends:
    """A broker on which every partition ends at this offset; None for silence."""

    def __init__(self, end: int | None) -> None:
        self._end = end
        self.questions = 0

    async def log_ends(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        self.questions += 1
        if self._end is None:
            raise BrokerUnavailable("silent")
        return dict.fromkeys(tps, self._end)


def reporter(clock: Clock, ends: Ends, *charges: Charge) -> Reporter:
    return Reporter(lambda: list(charges), {}, ends, clock)


async def look(at: Reporter) -> list[Any]:
    with capture_logs() as lines:
        await at.look()
    return lines


async def test_a_restore_tells_how_far_it_is() -> None:
    restores = {3: RestoreProgress(40, 100), 1: RestoreProgress()}

    (line,) = await look(Reporter(lambda: [], restores, Ends(0), Clock()))

    assert (line["event"], line["partition"]) == ("restoring", 3)
    assert (line["read_to"], line["end"]) == (40, 100)


async def test_catching_up_tells_the_lag_by_topic_and_its_end() -> None:
    clock = Clock()
    charge = new_charge(clock)
    submit(charge, "old", START_MS)
    clock.now_ms = START_MS + 60_000
    told = reporter(clock, Ends(500), charge)

    (behind,) = await look(told)
    answer(charge, "old", clock.now_ms)
    submit(charge, "new", clock.now_ms)
    charge.work()
    later = [line["event"] for _ in range(2) for line in await look(told)]

    assert (behind["event"], behind["behind_s"]) == ("catching up", 60.0)
    assert behind["lag_records"] == {"order-submitted": 499, "order-returned": 500}
    assert behind["records_per_s"] > 0
    assert later == ["caught up"]


async def test_at_the_edge_nothing_is_said_or_asked() -> None:
    clock, ends = Clock(), Ends(1)
    charge = new_charge(clock)
    submit(charge, "open", START_MS)
    answer(charge, "another", START_MS + 1)
    charge.work()
    clock.now_ms = START_MS + RETURN_WITHIN_MS

    assert await look(reporter(clock, ends, new_charge(clock), charge)) == []
    assert ends.questions == 0


async def test_while_verdicts_are_held_or_the_broker_is_silent_others_say_so() -> None:
    clock, holds = Clock(), Holds()
    held, silent = new_charge(clock, holds=holds), new_charge(clock)
    for charge in (held, silent):
        submit(charge, "old", START_MS)
    holds.put("partitioner", "They differ.")
    clock.now_ms = START_MS + 60_000

    assert await look(reporter(clock, Ends(500), held)) == []
    assert await look(reporter(clock, Ends(None), silent)) == []
