"""`returnwatch topics acls`."""

import asyncio
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.text import Text

from streams.commands.console import out
from streams.failures import WrongUse
from streams.permissions import Grant, commands, subscriber_grants, worker_grants
from streams.settings import Settings, load_settings
from streams.topic_admin import Topics
from streams.transport.log_bounds import BrokerUnavailable


class OptionNeeded(WrongUse):
    """What neither the settings nor the broker tell has to be given; the text says how."""


def acls(
    *,
    user: Annotated[
        str | None, Parameter(help="Who is granted it; KAFKA_SASL_USERNAME if not given.")
    ] = None,
    partitions: Annotated[
        int | None,
        Parameter(help="Of the topics; as the inputs have if not given.", validator=Number(gte=1)),
    ] = None,
    subscriber: Annotated[
        str | None,
        Parameter(help="What this consumer group needs to read the alerts, instead."),
    ] = None,
) -> int:
    """Print the commands that grant a worker's user exactly what it needs.

    Example: returnwatch topics acls --user returnwatch | sh
    """
    settings = load_settings()
    name = user or settings.sasl_username
    if not name:
        raise OptionNeeded(
            "KAFKA_SASL_USERNAME is not set, so say who is to be granted the permissions: "
            "--user NAME (as the broker names it, without User:)."
        )
    for line in commands(settings, name, _grants(settings, partitions, subscriber)):
        out.print(Text(line))
    return 0


def _grants(settings: Settings, partitions: int | None, subscriber: str | None) -> list[Grant]:
    if subscriber is not None:
        return subscriber_grants(settings, subscriber)
    return worker_grants(settings, partitions or asyncio.run(_partitions(settings)))


async def _partitions(settings: Settings) -> int:
    inputs = (settings.submitted_topic, settings.returned_topic)
    try:
        async with Topics(settings.kafka_client_options()) as topics:
            shapes = await topics.shapes(inputs)
    except BrokerUnavailable as error:
        raise OptionNeeded(f"{error} Or say how many partitions: --partitions N.") from error
    if not shapes:
        raise OptionNeeded(
            f"{inputs[0]} and {inputs[1]} are not there, or may not be seen, so say how many "
            "partitions they have: --partitions N."
        )
    return max(shape.partitions for shape in shapes.values())
