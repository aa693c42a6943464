"""Looks at a deployment from outside: what a worker would meet, and what to type where it fails.

Reads only; joins no consumer group and writes nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from schemas.records import RETURNED, SUBMITTED
from streams.authorizer import missing_grants, of_topics, partitions_of, refusals
from streams.log_reader import LogReader
from streams.partitioners import KEYS_LOOKED_AT, Partitioners
from streams.partitioners import Finding as Hashes
from streams.permissions import Grant, Kind, is_vital, user_of, worker_grants
from streams.rulebook import load_policy
from streams.settings import Settings
from streams.topic_admin import Topics
from streams.topics import TIMESTAMP_TYPE, Finding, Found, counted, wanted_topics

RECORDS_LOOKED_AT_MAX: Final = 20_000  # Of each input, while looking for distinct keys.

# Keys of Kafka's protocol: https://kafka.apache.org/protocol#protocol_api_keys
_PRODUCE: Final = 0
_FETCH: Final = 1
_LIST_OFFSETS: Final = 2
_JOIN_GROUP: Final = 11
_INIT_PRODUCER_ID: Final = 22
_ADD_PARTITIONS: Final = 24
_DESCRIBE_ACLS: Final = 29

_FETCH_4_1: Final = 18  # KIP-1166.
# What each release brought, newest first; before 4.1 as kafka-python tells brokers apart
# (BrokerConnection._infer_broker_version_from_api_versions).
_NEW_IN: Final = (
    ("4.1 or later", _FETCH, _FETCH_4_1),
    ("3.9", _FETCH, 17),
    ("3.8", _PRODUCE, 11),
    ("3.7", _FETCH, 16),
    ("3.6", _ADD_PARTITIONS, 4),
    ("3.5", _FETCH, 15),
    ("3.3 or 3.4", _DESCRIBE_ACLS, 3),
    ("3.2", _JOIN_GROUP, 9),
    ("3.1", _FETCH, 13),
    ("3.0", _LIST_OFFSETS, 7),
    ("2.8", _PRODUCE, 9),
)


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
            *broker(settings, topics),
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


def broker(settings: Settings, topics: Topics) -> Iterator[Check]:
    """What answers, and whether it can do transactions."""
    versions = topics.api_versions()
    many = counted(topics.brokers, "broker")
    seen = f"{many} at {settings.bootstrap_servers}, Apache Kafka {release_of(versions)}"
    yield Check("broker", State.OK, seen)
    if _INIT_PRODUCER_ID not in versions:
        yield Check(
            "transactions",
            State.WRONG,
            "the broker does not offer them",
            "Use Apache Kafka 0.11 or later; every checkpoint is a transaction.",
        )


def release_of(versions: Mapping[int, tuple[int, int]]) -> str:
    """Which release speaks these versions, as far as they tell."""
    if versions.get(_FETCH, (0, 0))[1] < _FETCH_4_1 and versions.get(_FETCH, (0, 0))[0] >= 4:
        return "4.0"  # It dropped the versions of Fetch before (KIP-896).
    for release, key, version in _NEW_IN:
        if versions.get(key, (-1, -1))[1] >= version:
            return release
    return "before 2.8"


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
