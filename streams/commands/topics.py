"""`returnwatch topics create|check|acls`."""

import asyncio
from typing import Annotated

from aiokafka.errors import KafkaError
from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.table import Column, Table

from streams.commands.acls import acls
from streams.commands.console import complain, out
from streams.failures import words
from streams.settings import Settings, load_settings
from streams.topic_admin import Topics
from streams.topic_findings import findings, partitions_to_make
from streams.topics import (
    TIMESTAMP_TYPE,
    Finding,
    Found,
    wanted_topics,
)
from streams.transport.log_bounds import BrokerUnavailable

topics = App(
    name="topics",
    help="Make or check the topics, or the permissions on them.\n\n"
    "Example: returnwatch topics create",
)
topics.command(acls)


@topics.command
def create(
    *,
    partitions: Annotated[
        int | None,
        Parameter(help="Of each new topic; as the inputs have, else 4.", validator=Number(gte=1)),
    ] = None,
    replication_factor: Annotated[
        int | None,
        Parameter(
            help="Of each new topic; 3, or fewer brokers if there are.", validator=Number(gte=1)
        ),
    ] = None,
) -> int:
    """Make the topics that are missing, leave those that are there alone, and check all.

    Example: returnwatch topics create --partitions 12 --replication-factor 3
    """
    settings = load_settings()
    return asyncio.run(_create(settings, partitions, replication_factor))


@topics.command
def check() -> int:
    """Check that the topics are as a worker needs them.

    Example: returnwatch topics check
    """
    settings = load_settings()
    return asyncio.run(_check(settings))


async def _create(settings: Settings, partitions: int | None, replicas: int | None) -> int:
    wanted = wanted_topics(settings)
    async with Topics(settings.kafka_client_options()) as asked:
        before = await asked.find(topic.name for topic in wanted)
        missing = [topic for topic in wanted if topic.name not in before]
        count = partitions_to_make(settings, before, partitions)
        try:
            await asked.create(
                missing, partitions=count, replicas=replicas or min(3, asked.brokers)
            )
        except KafkaError as error:
            raise BrokerUnavailable(f"The broker refused: {words(error)}.") from error
        after = await asked.find_all([topic.name for topic in wanted])
    _show(settings, after, made={topic.name for topic in missing})
    return _complain_of(findings(settings, after))


async def _check(settings: Settings) -> int:
    async with Topics(settings.kafka_client_options()) as asked:
        found = await asked.find(topic.name for topic in wanted_topics(settings))
    _show(settings, found, made=None)
    return _complain_of(findings(settings, found))


def _show(settings: Settings, found: dict[str, Found], *, made: set[str] | None) -> None:
    """What was made and what was there before, where making was asked for."""
    wanted = wanted_topics(settings)
    longest = max(len(topic.name) for topic in wanted)  # A name is never cut.
    name = Column("topic", min_width=longest, no_wrap=True)
    table = Table(name, "partitions", "replicas", "time", "", box=None, pad_edge=False)
    for topic in wanted:
        is_as = found.get(topic.name)
        if is_as is not None and not is_as.is_forbidden:
            time = (is_as.configs or {}).get(TIMESTAMP_TYPE, "unknown")
            is_new = "" if made is None else "made" if topic.name in made else "was there"
            row = (topic.name, str(is_as.partitions), str(is_as.replicas), time, is_new)
            table.add_row(*row)
    if table.row_count:
        out.print(table)


def _complain_of(wrong: list[Finding]) -> int:
    for finding in wrong:
        complain(str(finding))
    return 1 if wrong else 0
