"""Why no broker answers: nobody is there, or somebody who is spoken to in the wrong way.

aiokafka says only that it could not begin, and logs why; so it is tried once more, by hand.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from streams.failures import words
from streams.transport.log_bounds import BrokerUnavailable

TRY_TIMEOUT_S: Final = 2.0

_CHECK_ADDRESS: Final = "Check KAFKA_BOOTSTRAP_SERVERS, and that Kafka runs there."
_CHECK_LOGIN: Final = (
    "Check that KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_* and KAFKA_SSL_* are what this listener "
    "wants, and that KAFKA_BOOTSTRAP_SERVERS names a listener of Kafka's."
)


class Unreachable(BrokerUnavailable):
    """What is wrong, in one sentence, and what to check."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(f"{problem} {fix}")
        self.problem = problem
        self.fix = fix


@dataclass(frozen=True, slots=True)
class _Tried:
    server: str
    is_there: bool
    why: str


async def unreachable(client_options: Mapping[str, Any]) -> Unreachable:
    """Of client options with which no broker answered."""
    servers = client_options["bootstrap_servers"]
    tried = await asyncio.gather(*(_try(server, client_options) for server in servers))
    there = next((each for each in tried if each.is_there), None)
    if there is not None:
        protocol = client_options["security_protocol"]
        problem = f"What listens at {there.server} does not answer us in {protocol}{there.why}."
        return Unreachable(problem, _CHECK_LOGIN)
    problem = f"No broker answers at {','.join(servers)}{tried[-1].why}."
    return Unreachable(problem, _CHECK_ADDRESS)


def not_let_in(client_options: Mapping[str, Any], error: BaseException) -> Unreachable:
    """Of a broker that answered with this error."""
    servers = ",".join(client_options["bootstrap_servers"])
    problem = f"The broker at {servers} does not let us in{_because(error)}."
    return Unreachable(problem, _CHECK_LOGIN)


async def _try(server: str, client_options: Mapping[str, Any]) -> _Tried:
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    try:
        async with asyncio.timeout(TRY_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
    except OSError as error:  # A TimeoutError is one.
        return _Tried(server, is_there=False, why=_because(error))
    options = {name: it for name, it in client_options.items() if name != "bootstrap_servers"}
    try:
        async with asyncio.timeout(TRY_TIMEOUT_S):
            connection = await create_conn(host, int(port), **options)
            try:
                await connection.send(MetadataRequest([]))
            finally:
                connection.close()
    except (KafkaError, OSError) as error:
        return _Tried(server, is_there=True, why=_because(error))
    return _Tried(server, is_there=True, why=" or not in time")


def _because(error: BaseException) -> str:
    """In brackets; nothing where the error has no words."""
    if isinstance(error, ConnectionError) and error.errno:
        return f" ({os.strerror(error.errno)})"
    if isinstance(error, OSError) and error.errno is None and str(error).startswith("Multiple"):
        return ""  # One for each address of a name, which says nothing more.
    return f" ({words(error)})" if str(error) else ""
