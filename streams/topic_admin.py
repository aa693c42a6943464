"""Asks the broker about topics, and makes them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Self, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from streams.failures import words
from streams.topics import CONFIGS, Found, Shape, Wanted
from streams.transport.log_bounds import BrokerUnavailable
from streams.transport.rights import Send
from streams.transport.topic_metadata import TopicsRequest, topic_id
from streams.unreachable import not_let_in, unreachable

REQUEST_TIMEOUT_MS: Final = 20_000
APPEAR_LOOKS_MAX: Final = 50
APPEAR_LOOK_S: Final = 0.1

_UNKNOWN_TOPIC: Final = 3  # Kafka's error codes.
_NOT_AUTHORIZED: Final = 29
_ALREADY_EXISTS: Final = 36

_T = TypeVar("_T")


class Topics:
    """Asks the broker about topics and makes them; an async context manager.

    Every method raises BrokerUnavailable where no answer comes.
    """

    def __init__(self, client_options: Mapping[str, Any]) -> None:
        self._options = client_options
        self._admin = AIOKafkaAdminClient(**client_options, request_timeout_ms=REQUEST_TIMEOUT_MS)

    async def __aenter__(self) -> Self:
        try:
            await self._admin.start()
        except (KafkaConnectionError, OSError) as error:
            await self._admin.close()
            raise await unreachable(self._options) from error
        except KafkaError as error:
            await self._admin.close()
            raise not_let_in(self._options, error) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._admin.close()

    @property
    def brokers(self) -> int:
        """How many brokers there are."""
        return len(self._admin._client.cluster.brokers())

    def api_versions(self) -> dict[int, tuple[int, int]]:
        """The protocol versions (lowest, highest) that a connected broker speaks, by API key."""
        for connection in self._admin._client._conns.values():
            return dict(connection._versions)
        return {}

    async def find(self, names: Iterable[str]) -> dict[str, Found]:
        """The topics that there are, of these names."""
        wanted = list(names)
        try:
            described = await self._describe(wanted)
            there = [topic for topic in described if topic["error_code"] != _UNKNOWN_TOPIC]
            configs = await self._configs([topic["topic"] for topic in there])
        except (KafkaError, OSError) as error:
            raise BrokerUnavailable(
                f"The broker did not describe the topics: {words(error)}."
            ) from error
        return {topic["topic"]: _found(topic, configs.get(topic["topic"])) for topic in there}

    async def find_all(self, names: list[str]) -> dict[str, Found]:
        """The same once all of them are there, which after their making takes a moment."""
        found = await self.find(names)
        for _ in range(APPEAR_LOOKS_MAX):
            if len(found) == len(names) and all(topic.partitions for topic in found.values()):
                break
            await asyncio.sleep(APPEAR_LOOK_S)
            found = await self.find(names)
        return found

    async def shapes(self, names: Iterable[str]) -> dict[str, Shape]:
        """Partition count and id of the topics that there are; one request."""
        try:
            described = await self._describe(list(names))
        except (KafkaError, OSError) as error:
            raise BrokerUnavailable(
                f"The broker did not describe the topics: {words(error)}."
            ) from error
        there = [topic for topic in described if topic["error_code"] == 0]
        return {topic["topic"]: Shape(len(topic["partitions"]), topic_id(topic)) for topic in there}

    async def ask(self, question: Callable[[Send], Awaitable[_T]]) -> _T:
        """The answer to a question of streams.transport.rights."""
        try:
            return await question(self._admin._send_request)
        except (KafkaError, OSError) as error:
            raise BrokerUnavailable(
                f"The broker did not say what it allows: {words(error)}."
            ) from error

    async def create(self, topics: Iterable[Wanted], *, partitions: int, replicas: int) -> None:
        """Make these topics, with `partitions` where they want no other count; KafkaError, with
        the broker's reason, for the first it refuses."""
        new = [
            NewTopic(
                topic.name,
                topic.partitions or partitions,
                replicas,
                topic_configs=dict(topic.configs),
            )
            for topic in topics
        ]
        try:
            answer = await self._admin.create_topics(new, timeout_ms=REQUEST_TIMEOUT_MS)
        except OSError as error:
            raise BrokerUnavailable(
                f"The broker did not make the topics: {words(error)}."
            ) from error
        for name, code, reason in answer.topic_errors:
            if code == _NOT_AUTHORIZED:
                raise TopicAuthorizationFailedError(name)
            if code not in (0, _ALREADY_EXISTS):
                raise KafkaError(f"the topic {name} was not made: {reason or code}")

    async def _describe(self, names: list[str]) -> list[dict[str, Any]]:
        """A question must not make a topic, as it does by default."""
        answer = await self._admin._send_request(TopicsRequest(names))
        described: list[dict[str, Any]] = answer.to_object()["topics"]
        return described

    async def _configs(self, names: list[str]) -> dict[str, Mapping[str, str]]:
        """By topic; a topic is missing where the broker does not tell."""
        if not names:
            return {}
        keys = dict.fromkeys(CONFIGS)
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, configs=keys) for name in names]
        try:
            answers = await self._admin.describe_configs(resources)
        except IncompatibleBrokerVersion:
            return {}
        told: dict[str, Mapping[str, str]] = {}
        for answer in answers:
            for code, _, _, name, entries in answer.resources:
                if code == 0:
                    told[name] = {entry[0]: entry[1] for entry in entries}
        return told


def _found(topic: dict[str, Any], configs: Mapping[str, str] | None) -> Found:
    partitions = topic["partitions"]
    replicas = len(partitions[0]["replicas"]) if partitions else 0
    is_forbidden = topic["error_code"] == _NOT_AUTHORIZED
    name = topic["topic"]
    return Found(name, len(partitions), replicas, configs, is_forbidden, topic_id(topic))
