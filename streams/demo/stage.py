"""Where a demo plays: a broker, topics of its own and the settings for both.

The broker is the one that KAFKA_BOOTSTRAP_SERVERS names, else an embedded one. No other setting of
the user's plays a part, but for how to talk to that broker; what is made there is deleted again.
"""

import shlex
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.demo.embedded import PARTITIONS, READER_OPTIONS, EmbeddedBroker
from streams.failures import words
from streams.permissions import tool
from streams.settings import Settings, load_settings
from streams.topic_admin import REQUEST_TIMEOUT_MS, Topics
from streams.topics import wanted_topics
from streams.transport.log_bounds import BrokerUnavailable

REPLICAS_MAX: Final = 3

# Deadlines so short that alerts show within seconds; everything a user may have set is set here.
_TERMS: Final[dict[str, Any]] = {
    "return_within_s": 2,
    "grace_s": "0.5",
    "hold_s": 3,
    "remember_s": 60,
    "start_at": "earliest",
    "stats": True,
    "accept_create_time": True,  # The embedded broker knows no LogAppendTime.
    "accept_partitioners": False,
    "rules": None,
    "codes": None,
    "checkpoint_interval_s": 1.0,
    "web_port": 0,
    "log_level": "info",
    "log_format": "text",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """`place` names the broker in words; `reader_options` are for aiokafka's consumers there;
    `left` says what could not be cleared away."""

    settings: Settings
    place: str
    reader_options: dict[str, Any]
    left: list[str] = field(default_factory=list)


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """A stage with its topics made.

    EmbeddedBrokerMissing, SettingsError, BrokerUnavailable or Refused where there can be none.
    """
    settings = load_settings(**_terms(f"returnwatch-demo-{uuid.uuid4().hex[:8]}"))
    if "bootstrap_servers" in settings.model_fields_set:
        async with _topics_made(settings) as stage:
            yield stage
        return
    with EmbeddedBroker() as broker:
        settings = load_settings(
            **_terms("returnwatch-demo"),
            bootstrap_servers=broker.bootstrap,
            security_protocol="PLAINTEXT",
        )
        broker.make_topics(_names(settings))
        options = {**settings.kafka_client_options(), **READER_OPTIONS}
        yield Stage(settings, "an embedded broker", options)


def _terms(app_id: str) -> dict[str, Any]:
    topics = ("submitted", "returned", "alerts", "dead_letters", "stats", "incidents", "silences")
    names = {f"{name}_topic": f"{app_id}-order-{name.replace('_', '-')}" for name in topics}
    return {**_TERMS, **names, "app_id": app_id}


def _names(settings: Settings) -> list[str]:
    return [topic.name for topic in wanted_topics(settings)]


@asynccontextmanager
async def _topics_made(settings: Settings) -> AsyncIterator[Stage]:
    stage = Stage(settings, settings.bootstrap_servers, settings.kafka_client_options())
    try:
        await _make_topics(settings)
        yield stage
    finally:
        stage.left.extend(await _delete_topics(settings))


async def _make_topics(settings: Settings) -> None:
    async with Topics(settings.kafka_client_options()) as topics:
        try:
            await topics.create(
                wanted_topics(settings),
                partitions=PARTITIONS,
                replicas=min(REPLICAS_MAX, topics.brokers),
            )
        except KafkaError as error:
            raise BrokerUnavailable(
                f"The broker refused to make topics: {words(error)}."
            ) from error
        await topics.find_all(_names(settings))


async def _delete_topics(settings: Settings) -> list[str]:
    """A sentence if they are not deleted, which is no reason for a demo to fail."""
    admin = AIOKafkaAdminClient(
        **settings.kafka_client_options(), request_timeout_ms=REQUEST_TIMEOUT_MS
    )
    try:
        await admin.start()
        answer = await admin.delete_topics(_names(settings), timeout_ms=REQUEST_TIMEOUT_MS)
        codes = {code for _, code, *_ in answer.topic_error_codes if code != 0}
        reason = f"error codes {sorted(codes)}" if codes else ""
    except (KafkaError, OSError) as error:
        reason = words(error)
    finally:
        await admin.close()
    if not reason:
        return []
    pattern = ("--delete", "--topic", f"{settings.app_id}-.*")
    command = shlex.join([*tool(settings, "kafka-topics.sh"), *pattern])
    return [f"The demo's topics are still there ({reason}). Type: {command}"]
