"""What a user has to be allowed on the broker, and the commands that allow exactly that.

Pure: from settings and a partition count to grants, from grants to commands. Must not know how a
broker is asked what it allows.
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from streams.settings import Settings

# Where the administrator's own login for a broker that wants one is written down.
ADMIN_FILE: Final = "admin.properties"

_NAMED_MAX: Final = 3  # Names listed in a sentence; a command lists them all.


class Operation(Enum):
    """As kafka-acls.sh names them. Read and Write imply Describe, so that is never granted."""

    READ = "Read"
    WRITE = "Write"
    DESCRIBE_CONFIGS = "DescribeConfigs"


class Kind(Enum):
    """What an operation is allowed on; as kafka-acls.sh names its options."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"


@dataclass(frozen=True, slots=True)
class Grant:
    """One operation, allowed on one thing."""

    operation: Operation
    kind: Kind
    name: str


def worker_grants(settings: Settings, partitions: int) -> list[Grant]:
    """What a worker needs, and not one more."""
    read, write, configs = Operation.READ, Operation.WRITE, Operation.DESCRIBE_CONFIGS
    of_topics = (
        (settings.submitted_topic, (read, configs)),
        (settings.returned_topic, (read, configs)),
        (settings.alerts_topic, (write,)),
        (settings.dead_letters_topic, (write, configs)),
        (settings.changelog_topic, (read, write, configs)),
        *(_of_incidents(settings) if settings.stats else ()),
    )
    return [
        *(Grant(each, Kind.TOPIC, topic) for topic, operations in of_topics for each in operations),
        Grant(read, Kind.GROUP, settings.app_id),
        *(Grant(write, Kind.TRANSACTIONAL_ID, name) for name in _ids(settings, partitions)),
    ]


def _of_incidents(settings: Settings) -> tuple[tuple[str, tuple[Operation, ...]], ...]:
    read, write, configs = Operation.READ, Operation.WRITE, Operation.DESCRIBE_CONFIGS
    return (
        (settings.stats_topic, (read, write)),
        (settings.incidents_topic, (write,)),
        (settings.silences_topic, (read, configs)),
        (settings.incidents_changelog_topic, (read, write, configs)),
    )


def subscriber_grants(settings: Settings, group: str) -> list[Grant]:
    """What a consumer group needs that reads the alerts."""
    return [
        Grant(Operation.READ, Kind.TOPIC, settings.alerts_topic),
        Grant(Operation.READ, Kind.GROUP, group),
    ]


def is_vital(settings: Settings, grant: Grant) -> bool:
    """Whether no worker runs without it; without the others it runs with less checked."""
    timed = (settings.submitted_topic, settings.returned_topic, settings.changelog_topic)
    is_checked = grant.name in timed and not settings.accept_create_time
    return grant.operation is not Operation.DESCRIBE_CONFIGS or is_checked


def user_of(settings: Settings) -> str:
    """Who the broker takes us for; NAME where only it knows, from a certificate."""
    if settings.security_protocol.startswith("SASL"):
        return settings.sasl_username or "NAME"
    return "ANONYMOUS" if settings.security_protocol == "PLAINTEXT" else "NAME"


def grouped(grants: Iterable[Grant]) -> list[tuple[Grant, ...]]:
    """One group for each operation on each topic or group; one for all transactional ids."""
    groups: dict[tuple[Operation, Kind, str], list[Grant]] = {}
    for grant in grants:
        name = "" if grant.kind is Kind.TRANSACTIONAL_ID else grant.name
        groups.setdefault((grant.operation, grant.kind, name), []).append(grant)
    return [tuple(group) for group in groups.values()]


def described(group: tuple[Grant, ...]) -> str:
    """A group of `grouped`, in words."""
    grant, many = group[0], len(group) > 1
    operation = grant.operation.name
    if not many:
        return f"{operation} on the {grant.kind.value.replace('-', ' ')} {grant.name}"
    names = ", ".join(each.name for each in group[:_NAMED_MAX])
    more = ", ..." if len(group) > _NAMED_MAX else ""
    return f"{operation} on {len(group)} transactional ids ({names}{more})"


def commands(settings: Settings, user: str, grants: Iterable[Grant]) -> list[str]:
    """One kafka-acls.sh line for each set of operations on a kind of thing, quoted for a shell."""
    operations: dict[tuple[Kind, str], list[Operation]] = {}
    for grant in grants:
        operations.setdefault((grant.kind, grant.name), []).append(grant.operation)
    names: dict[tuple[Kind, tuple[Operation, ...]], list[str]] = {}
    for (kind, name), allowed in operations.items():
        names.setdefault((kind, tuple(allowed)), []).append(name)
    begin = [*tool(settings, "kafka-acls.sh"), "--add", "--allow-principal", f"User:{user}"]
    return [
        shlex.join(
            [
                *begin,
                *(word for operation in allowed for word in ("--operation", operation.value)),
                *(word for name in named for word in (f"--{kind.value}", name)),
            ]
        )
        for (kind, allowed), named in names.items()
    ]


def tool(settings: Settings, name: str) -> list[str]:
    """The beginning of a command for our brokers with one of Kafka's own tools."""
    words = [name, "--bootstrap-server", settings.bootstrap_servers]
    if settings.security_protocol != "PLAINTEXT":
        words += ["--command-config", ADMIN_FILE]
    return words


def _ids(settings: Settings, partitions: int) -> list[str]:
    """The ids of the ledgers' producers (streams/state/ledger.py)."""
    ids = [f"{settings.app_id}-{partition}" for partition in range(partitions)]
    return [*ids, f"{settings.app_id}-incidents"] if settings.stats else ids
