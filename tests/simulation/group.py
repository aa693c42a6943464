"""The broker's side of a consumer group: members, generations, who has which partition."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition

from tests.simulation.clock import VirtualLoop

SESSION_S: Final = 2.0
REBALANCE_S: Final = 6.0  # Longer than the last checkpoint of partitions that move on may take.


class UnknownMember(Exception):
    """The member was put out of the group."""


class OldGeneration(Exception):
    """The member is of a generation that is over."""


class Rebalancing(Exception):
    """The member has to join again."""


@dataclass(slots=True)
class _Member:
    seen_s: float
    has_joined: bool = False


class Group:
    """One consumer group; each answers one request of a member."""

    def __init__(self, loop: VirtualLoop, rng: random.Random, partitions: int) -> None:
        self.generation = 0
        self.owned: dict[str, frozenset[int]] = {}
        self.committed: dict[TopicPartition, int] = {}
        self._loop = loop
        self._rng = rng
        self._partitions = partitions
        self._members: dict[str, _Member] = {}
        self._made = 0
        self._joining_until_s: float | None = None

    def join(self, member: str | None) -> str:
        """Be part of the next generation; the member's id."""
        if member is None:
            self._made += 1
            member = f"member-{self._made}"
            self._members[member] = _Member(self._loop.now_s)
        self._touch(member)
        self.rebalance()
        self._members[member].has_joined = True
        return member

    def sync(self, member: str) -> tuple[int, frozenset[int]] | None:
        """The new generation and the member's partitions; None while others are waited for."""
        has_joined = self._touch(member).has_joined
        self.look()
        if self._joining_until_s is not None and not has_joined:
            raise Rebalancing(member)
        if self._joining_until_s is not None:
            return None
        if member not in self.owned:
            raise UnknownMember(member)
        return self.generation, self.owned[member]

    def heartbeat(self, member: str, generation: int) -> None:
        """Returns if the member stands in that generation."""
        self._touch(member)
        if self._joining_until_s is not None:
            raise Rebalancing(member)
        if generation != self.generation:
            raise OldGeneration(member)

    def leave(self, member: str) -> None:
        """Go; what it had is given to others."""
        if self._members.pop(member, None) is not None:
            self.rebalance()

    def commit(self, member: str, generation: int, offsets: Mapping[TopicPartition, int]) -> None:
        """Keep offsets for the group."""
        self.heartbeat(member, generation)
        self.committed.update(offsets)

    def rebalance(self) -> None:
        """Begin a new generation, unless one is beginning."""
        if self._joining_until_s is None:
            self._joining_until_s = self._loop.now_s + REBALANCE_S
            for member in self._members.values():
                member.has_joined = False

    def look(self) -> None:
        """Put out members that were not heard of, and begin the generation that is due."""
        now_s = self._loop.now_s
        silent = [name for name, of in self._members.items() if now_s > of.seen_s + SESSION_S]
        for name in silent:
            self.leave(name)
        if self._joining_until_s is None:
            return
        if now_s > self._joining_until_s:
            for name in [name for name, of in self._members.items() if not of.has_joined]:
                del self._members[name]
        if all(member.has_joined for member in self._members.values()):
            self._begin()

    def _begin(self) -> None:
        self._joining_until_s = None
        self.generation += 1
        names = list(self._members)
        before = self.owned
        self.owned = dict.fromkeys(names, frozenset())
        if not names:
            return
        is_sticky = self._rng.random() < 0.7
        most = -(-self._partitions // len(names))
        for partition in self._rng.sample(range(self._partitions), self._partitions):
            free = [name for name in names if len(self.owned[name]) < most]
            old = [name for name in free if partition in before.get(name, ())]
            chosen = old[0] if old and is_sticky else self._rng.choice(free)
            self.owned[chosen] |= {partition}

    def _touch(self, name: str) -> _Member:
        member = self._members.get(name)
        if member is None:
            raise UnknownMember(name)
        member.seen_s = self._loop.now_s
        return member
