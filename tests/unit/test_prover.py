"""When the ends of the topics are asked for, and what the answers prove."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import pytest
from aiokafka import TopicPartition

from schemas.records import RETURNED, SUBMITTED
from streams.charge import Charge
from streams.clock import WorkerClock
from streams.guards import Holds
from streams.prover import ASK_AGAIN_MS, Prover
from streams.state.header import StateError
from streams.state.ledger import Written
from streams.transport.log_bounds import BrokerUnavailable
from streams.watch import OVERDUE_ORDERS_MAX
from tests.unit.charges import RETURN_WITHIN_MS, START_MS, Clock, answer, new_charge, submit

GRACE_MS: Final = 300
LOOKS: Final = 8  # Enough for several questions, were there a reason to ask.


@dataclass(slots=True)
class Ends:
    """A broker whose logs end at these offsets, 0 where none is named."""

    ends: dict[TopicPartition, int] = field(default_factory=dict)
    asked: list[list[TopicPartition]] = field(default_factory=list)
    is_silent: bool = False

    async def log_ends(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        self.asked.append(list(tps))
        if self.is_silent:
            raise BrokerUnavailable("silent")
        await asyncio.sleep(0)
        return {tp: self.ends.get(tp, 0) for tp in self.asked[-1]}


@dataclass(slots=True)
class Scene:
    """A prover over real charges, a fake broker and a clock that stands."""

    clock: Clock = field(default_factory=Clock)
    broker: Ends = field(default_factory=Ends)
    charges: list[Charge] = field(default_factory=list)
    prover: Prover = field(init=False)

    def __post_init__(self) -> None:
        self.charges = self.charges or [new_charge(self.clock)]
        clock = WorkerClock(None, wall_ms=self.clock)
        self.prover = Prover(self.broker, grace_ms=GRACE_MS, clock=clock)

    @property
    def charge(self) -> Charge:
        return self.charges[0]

    def submit(self, order_id: str, at_ms: int) -> None:
        submit(self.charge, order_id, at_ms)
        self.broker.ends[self.charge.tps[SUBMITTED]] = self.charge.watch.sequence.position(
            SUBMITTED
        )

    async def prove_until(self, now_ms: int) -> int:
        """Let the prover look a few times at that time; how often it asked."""
        self.clock.now_ms = now_ms
        asked_before = len(self.broker.asked)
        for _ in range(LOOKS):
            await self.prover.look(self.charges, lambda charge: charge.work())
        return len(self.broker.asked) - asked_before


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_while_nothing_waits_nothing_is_asked(scene: Scene) -> None:
    assert await scene.prove_until(START_MS + 86_400_000) == 0


async def test_a_record_is_asked_for_once_it_has_waited_longer_than_the_grace(
    scene: Scene,
) -> None:
    scene.submit("a", START_MS)

    within_grace = await scene.prove_until(START_MS + GRACE_MS)
    beyond = await scene.prove_until(START_MS + GRACE_MS + 1)

    assert (within_grace, beyond) == (0, 1)
    assert len(scene.charge.watch.tracker.book.orders) == 1


async def test_a_timer_is_asked_for_once_it_is_overdue_by_more_than_the_grace(
    scene: Scene,
) -> None:
    scene.submit("a", START_MS)
    await scene.prove_until(START_MS + GRACE_MS + 1)
    deadline_ms = START_MS + RETURN_WITHIN_MS

    within_grace = await scene.prove_until(deadline_ms + GRACE_MS)
    told_early = scene.charge.watch.decisions_waiting
    beyond = await scene.prove_until(deadline_ms + GRACE_MS + 1)

    assert (within_grace, told_early) == (0, 0)
    assert (beyond, scene.charge.watch.decisions_waiting) == (1, 1)


async def test_while_its_last_answer_is_not_reached_it_asks_again_only_after_a_while(
    scene: Scene,
) -> None:
    scene.submit("a", START_MS)
    scene.broker.ends[scene.charge.tps[RETURNED]] = 2

    at_first = await scene.prove_until(START_MS + 1_000)
    soon = await scene.prove_until(START_MS + 1_000 + ASK_AGAIN_MS - 1)
    later = await scene.prove_until(START_MS + 60_000)
    undecided = scene.charge.watch.sequence.buffered(SUBMITTED)
    scene.charge.watch.feed(RETURNED, (0, 2), [])
    when_reached = await scene.prove_until(START_MS + 60_000)

    assert (at_first, soon, later, undecided) == (1, 0, 1, 1)
    assert when_reached >= 1
    assert scene.charge.watch.decisions_waiting == 1


async def test_a_side_that_has_read_on_needs_no_proof(scene: Scene) -> None:
    scene.submit("a", START_MS)
    scene.submit("b", START_MS + 500)

    await scene.prove_until(START_MS + 600)

    assert scene.broker.asked == [[scene.charge.tps[RETURNED]]]


async def test_one_question_serves_all_partitions_that_wait() -> None:
    clock = Clock()
    charges = [new_charge(clock, partition=partition) for partition in range(3)]
    scene = Scene(clock, charges=charges)
    for charge in charges[:2]:
        submit(charge, "a", START_MS)
        scene.broker.ends[charge.tps[SUBMITTED]] = 1

    asked = await scene.prove_until(START_MS + 1_000)

    assert asked == 1
    assert scene.broker.asked[0] == [*charges[0].tps, *charges[1].tps]


async def test_a_position_beyond_a_watermark_asked_for_later_is_another_log(
    scene: Scene,
) -> None:
    scene.submit("a", START_MS)
    scene.broker.ends[scene.charge.tps[SUBMITTED]] = 0

    with pytest.raises(StateError, match=r"ends at offset 0, but was read up to 1 before"):
        await scene.prove_until(START_MS + 1_000)


async def test_while_verdicts_are_held_nothing_is_asked_nor_decided() -> None:
    clock, holds = Clock(), Holds()
    scene = Scene(clock, charges=[new_charge(clock, holds=holds)])
    scene.submit("a", START_MS)
    holds.put("partitioner", "They differ.")

    held = await scene.prove_until(START_MS + 60_000)
    decided = scene.charge.watch.decisions_waiting
    holds.lift("partitioner")
    after = await scene.prove_until(START_MS + 60_000)

    assert (held, decided) == (0, 0)
    assert after >= 1
    assert scene.charge.watch.decisions_waiting == 1


async def test_a_partition_that_is_not_handed_over_is_not_asked_for(scene: Scene) -> None:
    scene.submit("a", START_MS)
    scene.charge.opening = 0

    assert await scene.prove_until(START_MS + 60_000) == 0


async def test_what_is_overdue_is_settled_in_steps_without_asking_again(scene: Scene) -> None:
    count = OVERDUE_ORDERS_MAX + 5
    for number in range(count):
        submit(scene.charge, f"o-{number}", START_MS)
    scene.broker.ends[scene.charge.tps[SUBMITTED]] = count

    asked = await scene.prove_until(START_MS + RETURN_WITHIN_MS + GRACE_MS + 1)

    assert scene.charge.watch.decisions_waiting == count
    assert asked == 1


async def test_a_silent_broker_is_told_to_who_runs_the_prover(scene: Scene) -> None:
    scene.submit("a", START_MS)
    scene.broker.is_silent = True

    with pytest.raises(BrokerUnavailable):
        await scene.prove_until(START_MS + 1_000)


async def test_what_both_sides_are_complete_for_is_worked_without_a_question(scene: Scene) -> None:
    """A broker's clock ahead of ours: what was read could not be worked at once."""
    scene.submit("a", START_MS + 50)
    scene.submit("b", START_MS + 55)
    answer(scene.charge, "other", START_MS + 60)
    scene.clock.now_ms = START_MS
    scene.charge.work()

    asked = await scene.prove_until(START_MS + 100)

    assert asked == 0
    assert len(scene.charge.watch.tracker.book.orders) == 1


# The worker's clock.


async def test_while_the_clock_is_in_doubt_nothing_is_asked_and_one_checkpoint_is_wanted(
    scene: Scene,
) -> None:
    scene.prover = with_limit(scene)
    scene.submit("a", START_MS)

    asked = await scene.prove_until(START_MS + 60_000)
    (charge,) = scene.charges

    assert asked == 0
    assert charge.is_probing
    assert charge.watch.decisions_waiting == 0


async def test_once_a_checkpoint_has_told_the_time_absence_is_proven(scene: Scene) -> None:
    now_ms = START_MS + 60_000
    scene.prover = with_limit(scene, Written(now_ms, 0.0, 0.0))
    scene.submit("a", START_MS)

    asked = await scene.prove_until(now_ms)

    assert asked >= 1
    assert scene.charge.watch.decisions_waiting == 1


def with_limit(scene: Scene, written: Written | None = None) -> Prover:
    """A prover whose clock may be ahead by half of the grace, on a machine just switched on."""
    clock = WorkerClock(GRACE_MS / 2, wall_ms=scene.clock, monotonic_s=lambda: 0.0)
    if written is not None:
        scene.clock.now_ms = written.log_append_ms or 0
        clock.note(written)
    return Prover(scene.broker, grace_ms=GRACE_MS, clock=clock)
