"""What the broker's authorizer does not allow a worker, and what to type against it."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalOperation,
    InvalidTxnState,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from streams.permissions import (
    Grant,
    Kind,
    Operation,
    commands,
    described,
    grouped,
    is_vital,
    user_of,
    worker_grants,
)
from streams.settings import Settings
from streams.topic_admin import Topics
from streams.topic_findings import findings
from streams.topics import Finding, Found, wanted_topics
from streams.transport import rights
from streams.transport.log_bounds import BrokerUnavailable

ASK_TIMEOUT_S: Final = 3.0  # Of a worker that stops.

_BITS: Final = {Operation.READ: rights.READ, Operation.WRITE: rights.WRITE}
_REFUSALS: Final = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    # Told of what comes beside or after the record that a transaction was refused.
    IllegalOperation,
    InvalidTxnState,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)


async def missing_grants(
    settings: Settings, topics: Topics, found: Mapping[str, Found]
) -> list[Grant] | None:
    """What a worker of these settings needs and has not; None where everybody may do anything.

    BrokerUnavailable where no answer comes.
    """
    if not await topics.ask(lambda send: rights.has_authorizer(send, topics.api_versions())):
        return None
    needed = worker_grants(settings, partitions_of(found))
    names = [topic.name for topic in wanted_topics(settings)]
    told = await topics.ask(lambda send: rights.topic_operations(send, names))
    hidden = await topics.ask(lambda send: rights.hidden_configs(send, names))
    may_join = await topics.ask(lambda send: rights.may_join(send, settings.app_id))
    missing = []
    for grant in needed:
        if grant.kind is Kind.GROUP:
            is_missing = not may_join
        elif grant.kind is Kind.TRANSACTIONAL_ID:
            is_missing = not await _may_fence(topics, grant.name, settings.alerts_topic)
        elif grant.operation is Operation.DESCRIBE_CONFIGS:
            is_missing = grant.name in hidden
        else:
            is_missing = grant.name in told and _BITS[grant.operation] not in told[grant.name]
        if is_missing:
            missing.append(grant)
    return missing


def partitions_of(found: Mapping[str, Found]) -> int:
    """Of how many partitions the transactional ids are needed: at least one."""
    return max([1, *(topic.partitions for topic in found.values())])


def refusals(settings: Settings, missing: Iterable[Grant]) -> list[tuple[Grant, Finding]]:
    """A finding with its command for everything that is missing; ids of transactions in one."""
    user = user_of(settings)
    found = []
    for group in grouped(missing):
        (command,) = commands(settings, user, group)
        problem = f"The user {user} lacks {described(group)}."
        found.append((group[0], Finding(_subject(group[0]), problem, f"Type: {command}")))
    return found


def obstacles(
    settings: Settings, found: Mapping[str, Found], missing: Iterable[Grant] | None
) -> list[Finding]:
    """Everything that keeps a worker from starting: what it may not do, then what is wrong with
    the topics, as far as they can be seen."""
    vital = [grant for grant in missing or () if is_vital(settings, grant)]
    refused = [finding for _, finding in refusals(settings, vital)]
    return [*refused, *of_topics(settings, found, missing)]


def of_topics(
    settings: Settings, found: Mapping[str, Found], missing: Iterable[Grant] | None
) -> list[Finding]:
    """What is wrong with topics, but for what only comes of a missing permission."""
    hidden = {grant.name for grant in missing or () if grant.kind is Kind.TOPIC}
    return [finding for finding in findings(settings, found) if finding.subject not in hidden]


def is_refusal(error: BaseException) -> bool:
    """Whether the authorizer may be behind a failure, so that it is worth asking."""
    return any(isinstance(each, _REFUSALS) for each in _causes(error))


async def lost_grants(settings: Settings, topics: Topics) -> list[Finding]:
    """What a worker may not do any more; nothing where the broker does not say it in time."""
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            found = await topics.find(topic.name for topic in wanted_topics(settings))
            missing = await missing_grants(settings, topics, found)
    except (BrokerUnavailable, TimeoutError):
        return []
    return [finding for _, finding in refusals(settings, missing or ())]


async def _may_fence(topics: Topics, transactional_id: str, topic: str) -> bool:
    return await topics.ask(lambda send: rights.may_fence(send, transactional_id, topic))


def _subject(grant: Grant) -> str:
    return "transactional ids" if grant.kind is Kind.TRANSACTIONAL_ID else grant.name


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
