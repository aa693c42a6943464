"""Finds what the topics hold about one order, and no more of them than has to be read.

The order's key says in which partition number it lies; the last hour is searched before the rest.
Where the order did not come to a good end, the other partitions are searched as well, for ids
that are alike.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aiokafka import TopicPartition

from schemas.events import Submission
from schemas.times import MINUTE_MS
from streams.investigate.evidence import Evidence, Role, evidence_of
from streams.investigate.hashing import hashes_of
from streams.investigate.likeness import Likeness
from streams.investigate.policies import Policies
from streams.investigate.search import Found, LogSearch, Stretch, Stretches
from streams.investigate.story import Story, View, decision, story_of
from streams.partitioners import HASHES, partition_by
from streams.transport.unpacking import Keep

RECENT_MS: Final = 60 * MINUTE_MS  # Searched first.
AROUND_MS: Final = 60 * MINUTE_MS  # Before an order's first record, for ids that are alike.


@dataclass(frozen=True, slots=True)
class Scope:
    """What to look at: inputs written in [from_ms, to_ms), alerts and dead letters also later.

    `can_stop`: not further back than needed. `is_exact`: no ids that are alike. `changelog`: where
    the rules are found that the worker decided by.
    """

    from_ms: int
    to_ms: int | None = None
    can_stop: bool = True
    all_partitions: bool = False
    is_exact: bool = False
    changelog: str | None = None


@dataclass(frozen=True, slots=True)
class NearMiss:
    """An id that is alike: how many records have it as key, and where the first ones stand."""

    order_id: str
    records: int
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """A story, ids that are alike, and what was read: the inputs' partitions of the order, why
    those, since when; `looked_around`: the other partitions too, for ids that are alike."""

    story: Story
    near: tuple[NearMiss, ...]
    partitions: Mapping[str, tuple[int, ...]]
    why: str
    from_ms: int
    looked_around: bool


@dataclass(slots=True)
class Tracer:
    """Traces one order; `partitions` is how many each topic has."""

    search: LogSearch
    likeness: Likeness
    view: View
    partitions: Mapping[str, int]
    _read: dict[TopicPartition, Stretch] = field(default_factory=dict)
    _found: Found = field(default_factory=list)
    _from_ms: int = 0

    async def trace(self, scope: Scope) -> Trace:
        """Everything about the order in this scope."""
        numbers, why = await self._numbers(scope)
        await self._look_back(self._wanted(numbers), scope)
        if scope.changelog is not None:
            every = set[int]().union(*numbers.values())
            await self._learn_rules(Policies(self.search, scope.changelog, every))
        is_searched = scope.is_exact or scope.all_partitions
        looks_around = not is_searched and not self._story().is_complete
        if looks_around:
            await self._look_around(scope)
        return Trace(
            self._story(),
            self._near(),
            {topic: tuple(sorted(its)) for topic, its in numbers.items()},
            why,
            self._from_ms,
            looked_around=looks_around,
        )

    async def _numbers(self, scope: Scope) -> tuple[dict[str, set[int]], str]:
        """The partitions of each input that may hold the order, and why they may."""
        topics = (self.view.topics.submitted, self.view.topics.returned)
        if scope.all_partitions:
            return {topic: set(range(self.partitions[topic])) for topic in topics}, "all partitions"
        numbers, words = {}, []
        for topic in topics:
            numbers[topic], told = await self._numbers_of(topic, scope)
            words.append(told)
        return numbers, words[0] if len(set(words)) == 1 else " and ".join(words)

    async def _numbers_of(self, topic: str, scope: Scope) -> tuple[set[int], str]:
        count, key = self.partitions[topic], self.likeness.key
        by_hash = {name: partition_by(name, key, count) for name in HASHES}
        numbers = set(by_hash.values())
        if len(numbers) == 1:
            return numbers, "where its key hashes to"
        tps = [TopicPartition(topic, number) for number in numbers]
        stretches = await self.search.stretches(tps, scope.from_ms, scope.to_ms)
        known = await hashes_of(self.search, stretches, count)
        if len(known) == 1:
            (name,) = known
            return {by_hash[name]}, f"where {name} puts its key"
        why = "its keys tell not" if known else "too few keys tell"
        return numbers, f"where {' or '.join(HASHES)} puts its key; {why} by which"

    def _wanted(self, numbers: Mapping[str, set[int]]) -> dict[TopicPartition, Keep]:
        """Alerts lie in the partition number of their cause; dead letters do, too, but theirs is
        another one where the key was wrong."""
        topics = self.view.topics
        keeps: dict[TopicPartition, Keep] = {}
        for topic, its in numbers.items():
            keeps |= {TopicPartition(topic, each): self.likeness.is_same_or_near for each in its}
        of_inputs = set[int]().union(*numbers.values())
        for each in of_inputs & set(range(self.partitions[topics.alerts])):
            keeps[TopicPartition(topics.alerts, each)] = self.likeness.is_same
        for each in range(self.partitions[topics.dead_letters]):
            keeps[TopicPartition(topics.dead_letters, each)] = self.likeness.is_about
        return keeps

    async def _look_back(self, keeps: Mapping[TopicPartition, Keep], scope: Scope) -> None:
        """The last hour, and only where that does not hold the order's beginning, the rest."""
        self._from_ms = scope.from_ms
        recent_ms = self.view.now_ms - RECENT_MS
        if not scope.can_stop or recent_ms <= scope.from_ms:
            await self._take(await self._stretches(keeps, scope), keeps)
            return
        recent = await self.search.stretches(keeps, recent_ms, None)
        await self._take(recent, keeps)
        if self._has_beginning(recent_ms):
            self._from_ms = recent_ms
            return
        whole = await self.search.stretches(keeps, scope.from_ms, None)
        older = {tp: Stretch(it.start, recent[tp].start) for tp, it in whole.items()}
        await self._take(older, keeps)

    async def _learn_rules(self, policies: Policies) -> None:
        """Tell by the rules that the worker has, or had when it decided, not by those here."""
        told = [each for each in self._evidence() if each.role is Role.ALERT]
        named = decision(told[-1]).get("settings") if told else await policies.newest()
        if named is None or named == self.view.policy.digest():
            return
        policy = await policies.named(named)
        if policy is not None:
            self.view = replace(self.view, policy=policy)

    async def _stretches(
        self, tps: Iterable[TopicPartition], scope: Scope
    ) -> dict[TopicPartition, Stretch]:
        """What speaks of an order may have been written long after its records."""
        inputs = (self.view.topics.submitted, self.view.topics.returned)
        wanted = list(tps)
        bounded = [tp for tp in wanted if tp.topic in inputs]
        rest = [tp for tp in wanted if tp.topic not in inputs]
        found = await self.search.stretches(bounded, scope.from_ms, scope.to_ms)
        return found | await self.search.stretches(rest, scope.from_ms, None)

    async def _look_around(self, scope: Scope) -> None:
        """In the partitions that were not read, since shortly before the order's first record."""
        topics = self.view.topics
        keep = self.likeness.is_same_or_near
        others = {
            TopicPartition(topic, number): keep
            for topic in (topics.submitted, topics.returned)
            for number in range(self.partitions[topic])
        }
        keeps = {tp: each for tp, each in others.items() if tp not in self._read}
        first_ms = min((each.at_ms for each in self._evidence()), default=scope.from_ms)
        from_ms = max(first_ms - AROUND_MS, scope.from_ms)
        await self._take(await self.search.stretches(keeps, from_ms, scope.to_ms), keeps)

    async def _take(self, stretches: Stretches, keeps: Mapping[TopicPartition, Keep]) -> None:
        self._found += await self.search.find(stretches, keeps)
        self._read |= stretches

    def _has_beginning(self, since_ms: int) -> bool:
        """Whether a first attempt's submission is there, sent since then, with nothing before."""
        evidence = sorted(self._evidence(), key=lambda it: it.at_ms)
        if not evidence or not isinstance(evidence[0].said, Submission):
            return False
        said = evidence[0].said
        return said.attempt in (None, 1) and said.submitted_at >= since_ms

    def _story(self) -> Story:
        return story_of(self.likeness.order_id, self._evidence(), self.view)

    def _evidence(self) -> list[Evidence]:
        """Of the order itself; what is in a dead letter's value counts."""
        key, is_in = self.likeness.key, self.likeness.is_in
        its = [
            (tp, record)
            for tp, record in self._found
            if record.key == key
            or (tp.topic == self.view.topics.dead_letters and is_in(record.value))
        ]
        return evidence_of(self.view.topics, its)

    def _near(self) -> tuple[NearMiss, ...]:
        places: dict[bytes, list[str]] = {}
        for each in evidence_of(self.view.topics, self._found):
            key = each.record.key
            if key is not None and key != self.likeness.key and self.likeness.is_near(key):
                places.setdefault(key, []).append(each.place)
        return tuple(
            NearMiss(key.decode(errors="backslashreplace"), len(its), tuple(its[:3]))
            for key, its in sorted(places.items())
        )


async def trace(
    client_options: Mapping[str, Any], order_id: str, view: View, *, scope: Scope
) -> Trace:
    """What the topics of the view hold about an order; BrokerUnavailable where they do not."""
    async with LogSearch(client_options) as search:
        partitions = await search.partitions(view.topics.names())
        return await Tracer(search, Likeness(order_id), view, partitions).trace(scope)
