"""Looks at a deployment from outside: what a worker would meet, and what to type where it fails.

Reads only; joins no consumer group and writes nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from schemas.records import RETURNED, SUBMITTED
from streams.authorizer import missing_grants, of_topics, partitions_of, refusals
from streams.core import compiled
from streams.log_reader import LogReader
from streams.partitioners import KEYS_LOOKED_AT, Partitioners
from streams.partitioners import Finding as Hashes
from streams.permissions import Grant, Kind, is_vital, user_of, worker_grants
from streams.release import metadata_version, release_of
from streams.rulebook import load_policy
from streams.settings import Settings
from streams.topic_admin import Topics
from streams.topics import TIMESTAMP_TYPE, Finding, Found, counted, wanted_topics

RECORDS_LOOKED_AT_MAX: Final = 20_000  # Of each input, while looking for distinct keys.

NOT_COMPILED: Final = (
    "missing: everything works, at twice the cost of a record",
    "Install returnwatch where there is a C compiler and Python's headers.",
)

_INIT_PRODUCER_ID: Final = 22  # A key of Kafka's protocol.


class State(Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was seen, and what to do where it is not right."""

    subject: str
    state: State
    seen: str
    fix: str = ""


def configuration(settings: Settings) -> Iterator[Check]:
    """The settings agree, or they could not have been loaded; the rules are read here."""
    yield Check("configuration", State.OK, f"read; the app id is {settings.app_id}")
    policy = load_policy(settings)
    where = "no rules file, one deadline for all" if settings.rules is None else str(settings.rules)
    yield Check("rules", State.OK, f"{len(policy.rules.rules)} ({where})")
    if not compiled.is_there():
        yield Check("compiled core", State.WARNING, *NOT_COMPILED)
    is_plain = settings.security_protocol in {"PLAINTEXT", "SSL"}
    if is_plain and settings.sasl_username is not None:
        yield Check(
            "KAFKA_SASL_USERNAME",
            State.WARNING,
            f"set, but KAFKA_SECURITY_PROTOCOL is {settings.security_protocol}: nobody logs in",
            "Set KAFKA_SECURITY_PROTOCOL=SASL_SSL, or take the username out.",
        )


async def deployment(settings: Settings) -> list[Check]:
    """The broker, its topics and their keys; BrokerUnavailable where no broker answers."""
    async with Topics(settings.kafka_client_options()) as topics:
        found = await topics.find(topic.name for topic in wanted_topics(settings))
        missing = await missing_grants(settings, topics, found)
        wrong = of_topics(settings, found, missing)
        checks = [
            *await broker(settings, topics),
            *permissions(settings, found, missing),
            *as_found(settings, found, wrong),
        ]
    hidden = {grant.name for grant in missing or () if grant.kind is Kind.TOPIC}
    inputs = [found.get(name) for name in (settings.submitted_topic, settings.returned_topic)]
    readable = [topic for topic in inputs if topic is not None and topic.name not in hidden]
    counts = {topic.partitions for topic in readable if not topic.is_forbidden}
    if len(readable) == len(inputs) and len(counts) == 1:
        checks.append(await partitioners(settings, counts.pop()))
    return checks


async def broker(settings: Settings, topics: Topics) -> list[Check]:
    """What answers, and whether it can do transactions."""
    versions = topics.api_versions()
    level = await topics.ask(lambda send: metadata_version(send, versions))
    many = counted(topics.brokers, "broker")
    release = release_of(versions, level)
    seen = f"{many} at {settings.bootstrap_servers}, Apache Kafka {release}"
    checks = [Check("broker", State.OK, seen)]
    if _INIT_PRODUCER_ID not in versions:
        why = "the broker does not offer them"
        fix = "Use Apache Kafka 0.11 or later; every checkpoint is a transaction."
        checks.append(Check("transactions", State.WRONG, why, fix))
    return checks


def permissions(
    settings: Settings, found: Mapping[str, Found], missing: list[Grant] | None
) -> Iterator[Check]:
    """What a worker may do; `missing` is None where the broker has no authorizer."""
    if missing is None:
        yield Check("permissions", State.OK, "the broker has no authorizer: everything is allowed")
        return
    for grant, finding in refusals(settings, missing):
        state = State.WRONG if is_vital(settings, grant) else State.WARNING
        yield Check(finding.subject, state, finding.problem, finding.fix)
    if not missing:
        needed = len(worker_grants(settings, partitions_of(found)))
        yield Check("permissions", State.OK, f"{user_of(settings)} has all {needed} that it needs")


def as_found(
    settings: Settings, found: Mapping[str, Found], wrong: list[Finding]
) -> Iterator[Check]:
    """Each topic that can be seen, inputs first: as it is, or what is wrong with it."""
    for wanted in wanted_topics(settings):
        mine = [finding for finding in wrong if finding.subject == wanted.name]
        for finding in mine:
            yield Check(finding.subject, State.WRONG, finding.problem, finding.fix)
        topic = found.get(wanted.name)
        if topic is not None and not topic.is_forbidden and not mine:
            seen = [counted(topic.partitions, "partition"), counted(topic.replicas, "replica")]
            time = (topic.configs or {}).get(TIMESTAMP_TYPE)
            yield Check(topic.name, State.OK, ", ".join(seen if time is None else [*seen, time]))


async def partitioners(settings: Settings, partitions: int) -> Check:
    """Whether the first keys of both inputs were partitioned by the same hash."""
    looked = Partitioners(partitions)
    for side, topic in (
        (SUBMITTED, settings.submitted_topic),
        (RETURNED, settings.returned_topic),
    ):
        await _look(settings, topic, _looker(looked, side))
    seen = "; ".join(
        f"{name}: {looked.describe(side)}"
        for side, name in ((SUBMITTED, "submitted"), (RETURNED, "returned"))
    )
    finding = looked.finding()
    if finding is Hashes.DIFFERENT:
        fix = (
            "Set the same partitioner in both producers (librdkafka: partitioner=murmur2_random) "
            "and start on new topics."
        )
        return Check("partitioners", State.WRONG, seen, fix)
    if finding is Hashes.UNPROVEN:
        fix = "Nothing to do: with 20 distinct keys in each topic it can be told."
        return Check("partitioners", State.WARNING, f"not known yet ({seen})", fix)
    same = "one partition" if partitions == 1 else f"the same hash ({seen})"
    return Check("partitioners", State.OK, same)


def _looker(looked: Partitioners, side: int) -> Callable[[int, list[bytes]], None]:
    return lambda partition, keys: looked.look_at_keys(side, partition, keys)


async def _look(settings: Settings, topic: str, look: Callable[[int, list[bytes]], None]) -> None:
    """Hand over keys by partition until there are enough, or the topic's end."""
    seen: dict[int, set[bytes]] = {}
    read = 0
    async with LogReader(settings.kafka_client_options(), topic) as reader:
        async for tp, record in reader.records(from_ms=None, follow=False):
            keys = seen.setdefault(tp.partition, set())
            if record.key is not None and len(keys) < KEYS_LOOKED_AT:
                keys.add(record.key)
            read += 1
            if read >= RECORDS_LOOKED_AT_MAX:
                break
    for partition, keys in seen.items():
        look(partition, list(keys))
