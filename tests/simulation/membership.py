"""A member of the group, with the steps and the timing of aiokafka's coordinator.

Stands in for streams.transport's MemberThread and InputReader: their methods, over the network.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from schemas.records import Record
from streams.transport.reader import Fetched
from streams.transport.thread import (
    HEARTBEAT_RETRY_S,
    HEARTBEATS_MAX,
    LostMembership,
)
from tests.simulation.group import Group, OldGeneration, Rebalancing, UnknownMember
from tests.simulation.log import Log
from tests.simulation.network import Network, NoAnswer

HEARTBEAT_S: Final = 0.4
POLL_S: Final = 0.1


class Membership:
    """`inputs` gives the topic partitions of a partition number."""

    def __init__(self, group: Group, log: Log, network: Network) -> None:
        self.generation = -1
        self.inputs: Callable[[int], Iterable[TopicPartition]] = lambda _: ()
        self.rng = random.Random(0)
        self._group = group
        self._log = log
        self._network = network
        self._member: str | None = None
        self._rejoin_needed = asyncio.Event()
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._cursors: dict[TopicPartition, tuple[int, int]] = {}  # Next offset, opening.

    async def run(self, consumer: Any) -> None:
        """Be a member, again and again, until cancelled."""
        beating = asyncio.create_task(asyncio.sleep(0))
        assigned: set[TopicPartition] | None = None
        try:
            while True:
                if assigned is not None:  # Heartbeats go on meanwhile.
                    await consumer.on_partitions_revoked(assigned)
                beating.cancel()
                generation, partitions = await self._join()
                assigned = {tp for number in partitions for tp in self.inputs(number)}
                self._assigned = frozenset(assigned)
                await consumer.on_partitions_assigned(assigned, generation)
                beating = asyncio.create_task(self._beat())
                await self._rejoin_needed.wait()
        finally:
            beating.cancel()

    async def leave(self) -> None:
        """Tell the group that we go; nothing is tried again."""
        member, self._member, self.generation = self._member, None, -1
        if member is None:
            return
        try:
            await self._network.ask("leave", lambda: self._group.leave(member))
        except NoAnswer:
            self._network.note(member, "leaves unheard")

    # What the consumer asks of its thread.

    async def open(self, offsets: Mapping[TopicPartition, int], opening: int) -> None:
        """Fetch on from these offsets, where they are assigned."""
        await asyncio.sleep(0)
        for tp, offset in offsets.items():
            if tp in self._assigned:
                self._cursors[tp] = (offset, opening)

    async def check(self) -> None:
        """This member meets no errors of its own."""

    async def fetch(self, wanted: Mapping[TopicPartition, int]) -> list[Fetched]:
        """What came next of the wanted openings; nothing where the broker does not answer."""
        positions = {tp: self._cursors[tp][0] for tp in wanted if tp in self._cursors}
        if all(self._log.of(tp).last_stable() <= at for tp, at in positions.items()):
            await asyncio.sleep(POLL_S)
            return []
        limit = self.rng.choice((1, 3, 100))
        try:
            found = await self._network.ask("fetch", lambda: self._read(positions, limit))
        except NoAnswer:
            return []
        fetched: list[Fetched] = []
        for tp, (next_offset, records) in found.items():
            if self._cursors[tp] == (positions[tp], wanted[tp]) and next_offset > positions[tp]:
                self._cursors[tp] = (next_offset, wanted[tp])
                stretch = Fetched(tp, positions[tp], next_offset, records, wanted[tp])
                fetched.append(stretch)
        return fetched

    async def prove_membership(self, generation: int) -> None:
        """As the thread does it, heartbeat by heartbeat."""
        for _ in range(HEARTBEATS_MAX):
            if self._rejoin_needed.is_set() or self.generation != generation:
                raise LostMembership(f"not in generation {generation} of the group any more")
            stands = await self._heartbeat()
            if stands and not self._rejoin_needed.is_set():
                return
            await asyncio.sleep(HEARTBEAT_RETRY_S)
        self._rejoin_needed.set()
        raise LostMembership("the group's coordinator does not answer heartbeats")

    async def rejoin(self) -> None:
        """Give up the generation and join as a new member."""
        await self.leave()
        self._reset()

    async def committed(self, tp: TopicPartition) -> int | None:
        """The group's committed offset."""
        while True:
            try:
                return await self._network.ask("committed", lambda: self._group.committed.get(tp))
            except NoAnswer:
                await asyncio.sleep(POLL_S)

    async def try_commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """False if the group does not take them now."""
        member, generation = self._member, self.generation
        if member is None or not self._assigned.issuperset(offsets):
            return False
        try:
            await self._network.ask(
                "keep offsets", lambda: self._group.commit(member, generation, offsets)
            )
        except (NoAnswer, UnknownMember, OldGeneration, Rebalancing):
            return False
        return True

    # The member's own doings.

    async def _join(self) -> tuple[int, frozenset[int]]:
        while True:
            self._rejoin_needed.clear()
            known = self._member
            try:
                member = await self._network.ask(
                    "join", lambda known=known: self._group.join(known)
                )
                self._member = member
                while True:
                    found = await self._network.ask(
                        "sync", lambda member=member: self._group.sync(member)
                    )
                    if found is not None:
                        self.generation = found[0]
                        return found
                    await asyncio.sleep(POLL_S)
            except (NoAnswer, Rebalancing):
                await asyncio.sleep(POLL_S)
            except UnknownMember:
                self._reset()

    async def _beat(self) -> None:
        while self._member is not None:
            await asyncio.sleep(HEARTBEAT_S)
            await self._heartbeat()

    async def _heartbeat(self) -> bool:
        member, generation = self._member, self.generation
        if member is None:
            return False
        try:
            await self._network.ask("heartbeat", lambda: self._group.heartbeat(member, generation))
        except Rebalancing:
            self._rejoin_needed.set()
        except (UnknownMember, OldGeneration):
            if self._member == member and self.generation == generation:
                self._reset()
            return False
        except (NoAnswer, KafkaError):
            return False
        return True

    def _reset(self) -> None:
        self._member, self.generation = None, -1
        self._rejoin_needed.set()

    def _read(
        self, positions: Mapping[TopicPartition, int], limit: int
    ) -> dict[TopicPartition, tuple[int, list[Record]]]:
        return {tp: self._log.of(tp).read(at, limit) for tp, at in positions.items()}
