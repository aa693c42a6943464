"""Topics that a command is about to read or write: whether they are there and we may."""

from collections.abc import Iterable
from typing import Final

from streams.permissions import Grant, Kind, Operation, commands, described, user_of
from streams.settings import Settings
from streams.topic_admin import Topics
from streams.topics import Finding, Found, Refused
from streams.transport import rights

_BITS: Final = {Operation.READ: rights.READ, Operation.WRITE: rights.WRITE}


async def reachable(
    settings: Settings, names: Iterable[str], operation: Operation = Operation.READ
) -> dict[str, Found]:
    """These topics as they are; Refused with a sentence for each that is not there or that the
    broker does not let us use so, BrokerUnavailable where nobody answers."""
    wanted = list(names)
    async with Topics(settings.kafka_client_options()) as topics:
        found = await topics.find(wanted)
        allowed = await topics.ask(lambda send: rights.topic_operations(send, wanted))
    wrong = []
    for name in wanted:
        may = _BITS[operation] in allowed[name] if name in allowed else True
        if (name in found and found[name].is_forbidden) or not may:
            wrong.append(_refused(settings, Grant(operation, Kind.TOPIC, name)))
        elif name not in found or not found[name].partitions:
            wrong.append(_missing(settings, name))
    if wrong:
        raise Refused(wrong)
    return found


def _refused(settings: Settings, grant: Grant) -> Finding:
    user = user_of(settings)
    (command,) = commands(settings, user, [grant])
    problem = f"The user {user} lacks {described((grant,))}."
    return Finding(grant.name, problem, f"Type: {command}")


def _missing(settings: Settings, name: str) -> Finding:
    ours = (
        settings.submitted_topic,
        settings.returned_topic,
        settings.alerts_topic,
        settings.dead_letters_topic,
        settings.changelog_topic,
    )
    fix = "Type: returnwatch topics create" if name in ours else "Check its name, or make it."
    return Finding(name, f"The topic {name} does not exist.", fix)
