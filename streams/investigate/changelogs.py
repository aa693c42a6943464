"""The state of every partition as its changelog has it, read beside a worker that goes on writing.

Reads only what is committed, in no consumer group, and fences nobody: a worker does not notice.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.failures import words
from streams.permissions import Grant, Kind, Operation, commands, user_of
from streams.settings import Settings
from streams.state.changelog import State
from streams.state.header import StateError
from streams.state.restore import restore
from streams.topic_admin import Topics
from streams.transport.log_bounds import BrokerUnavailable

REQUEST_TIMEOUT_MS: Final = 20_000
TRIES_MAX: Final = 5  # Of a partition that is compacted under the reader.


class NoChangelog(Exception):
    """There is no changelog to read, or it may not be read; the text says what to do."""


async def partition_states(settings: Settings, partitions: int) -> AsyncIterator[tuple[int, State]]:
    """Each partition number with its state as of its newest header, in their order, one at a time.

    StateError where a changelog has lost records, RestoreStalled or BrokerUnavailable where it
    cannot be read.
    """
    options = settings.kafka_client_options()
    for partition in range(partitions):
        yield partition, await _state(options, TopicPartition(settings.changelog_topic, partition))


async def changelog_partitions(settings: Settings) -> int:
    """How many partition numbers have a changelog; NoChangelog, or BrokerUnavailable."""
    name = settings.changelog_topic
    async with Topics(settings.kafka_client_options()) as topics:
        found = (await topics.find([name])).get(name)
    if found is None:
        raise NoChangelog(
            f"The topic {name} does not exist: RETURNWATCH_APP_ID names the worker whose state is "
            "looked for."
        )
    if found.is_forbidden:
        raise NoChangelog(
            f"The user {user_of(settings)} lacks READ on the topic {name}. Type: {_grant(settings)}"
        )
    return found.partitions


def _grant(settings: Settings) -> str:
    grant = Grant(Operation.READ, Kind.TOPIC, settings.changelog_topic)
    (command,) = commands(settings, user_of(settings), [grant])
    return command


async def _state(options: Mapping[str, Any], changelog: TopicPartition) -> State:
    """What stands below the end of what is committed, which is the end of a checkpoint.

    Compaction may take a record that a newer one beyond that end replaces. The header's counts
    show it, and it is read again to a later end; a log that stands still has lost records.
    """
    tried_to = -1
    for _ in range(TRIES_MAX):
        end_offset = await _committed_end(options, changelog)
        state = await restore(
            options, changelog, end_offset=end_offset, on_progress=lambda _, __: None
        )
        try:
            state.check()
        except StateError:
            if end_offset == tried_to:
                raise
            tried_to = end_offset
        else:
            return state
    raise StateError(
        f"{changelog.topic} partition {changelog.partition} was compacted {TRIES_MAX} times while "
        "it was read: try again when less is written."
    )


async def _committed_end(options: Mapping[str, Any], changelog: TopicPartition) -> int:
    """The last stable offset: no transaction is open, and none cut in two, before it."""
    asker = AIOKafkaConsumer(
        **options,
        group_id=None,
        isolation_level="read_committed",
        enable_auto_commit=False,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    try:
        await asker.start()
        ends: dict[TopicPartition, int] = await asker.end_offsets([changelog])
    except KafkaError as error:
        raise BrokerUnavailable(f"{changelog.topic} cannot be read: {words(error)}.") from error
    finally:
        await asker.stop()
    return ends[changelog]
