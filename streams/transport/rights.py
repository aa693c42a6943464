"""What the broker lets the user do who is logged in, asked without doing any of it.

Each question is refused by the authorizer or, with a member or producer that there cannot be,
for another reason before anything is done: nothing is joined, fenced or written, so a worker of
the same names is not disturbed. (InitProducerId would fence it.)
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from aiokafka.protocol.admin import DescribeAclsRequest, DescribeConfigsRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest

from streams.transport.topic_metadata import TopicsRequest

Send = Callable[[Any], Awaitable[Any]]  # A request to any broker, and its answer.

# Operations as Kafka numbers them (AclOperation); a set of them is a number with these bits.
READ: Final = 3
WRITE: Final = 4

_DESCRIBE_ACLS: Final = 29  # A key of the protocol.
_TOPIC: Final = 2  # Of resources.
_ANY: Final = 1  # Of operations, permissions and name patterns.
_TOPIC_REFUSED: Final = 29  # Kafka's error codes.
_GROUP_REFUSED: Final = 30
_TRANSACTIONAL_ID_REFUSED: Final = 53
_NO_AUTHORIZER: Final = 54
_NO_PRODUCER: Final = -1
_NOT_TOLD: Final = -(2**31)  # Kafka's number where operations were not asked for.


async def has_authorizer(send: Send, versions: dict[int, tuple[int, int]]) -> bool:
    """Whether rights count at all; a broker that knows no such question has none."""
    if _DESCRIBE_ACLS not in versions:
        return False
    answer = await send(DescribeAclsRequest(_TOPIC, None, _ANY, None, None, _ANY, _ANY))
    code: int = answer.error_code
    return code != _NO_AUTHORIZER


async def topic_operations(send: Send, topics: Iterable[str]) -> dict[str, frozenset[int]]:
    """Which of READ and WRITE each topic allows; a topic is left out where that is not told."""
    answer = await send(TopicsRequest(list(topics), with_operations=True))
    told: dict[str, frozenset[int]] = {}
    for topic in answer.to_object()["topics"]:
        bits: int = topic.get("authorized_operations", _NOT_TOLD)
        if topic["error_code"] == _TOPIC_REFUSED:
            told[topic["topic"]] = frozenset()
        elif bits >= 0:
            told[topic["topic"]] = frozenset(each for each in (READ, WRITE) if bits >> each & 1)
    return told


async def hidden_configs(send: Send, topics: Iterable[str]) -> set[str]:
    """The topics whose configuration may not be seen."""
    asked = [(_TOPIC, topic, ["cleanup.policy"]) for topic in topics]
    answer = await send(DescribeConfigsRequest(asked, False))
    return {name for code, _, _, name, _ in answer.resources if code == _TOPIC_REFUSED}


async def may_join(send: Send, group: str) -> bool:
    """Whether the group takes members of this user; asked as a member that there is not."""
    answer = await send(HeartbeatRequest(group, -1, "returnwatch-asks"))
    code: int = answer.error_code
    return code != _GROUP_REFUSED


async def may_fence(send: Send, transactional_id: str, topic: str) -> bool:
    """Whether the user may be this transactional producer; asked as one that there is not."""
    partitions = [(topic, [0])]
    answer = await send(
        AddPartitionsToTxnRequest(transactional_id, _NO_PRODUCER, _NO_PRODUCER, partitions)
    )
    codes = {code for _, errors in answer.errors for _, code in errors}
    return _TRANSACTIONAL_ID_REFUSED not in codes
