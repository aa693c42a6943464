"""What the broker lets the user do who is logged in, asked without doing any of it.

Each question is refused by the authorizer or, with a member or producer that there cannot be,
for another reason before anything is done: nothing is joined, fenced or written, so a worker of
the same names is not disturbed. (InitProducerId would fence it.)
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from aiokafka.protocol.admin import DescribeAclsRequest, DescribeConfigsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

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


class _RightsAnswer(Response):
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(
                ("node_id", Int32),
                ("host", String("utf-8")),
                ("port", Int32),
                ("rack", String("utf-8")),
            ),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _RightsQuestion(RequestStruct):
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _RightsAnswer
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _RightsRequest(Request[_RightsQuestion]):
    """Metadata as of Kafka 2.3 (KIP-430); aiokafka's ends before that."""

    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_RightsQuestion]) -> _RightsQuestion:
        return request_struct_class(self._topics, False, False, True)


async def has_authorizer(send: Send, versions: dict[int, tuple[int, int]]) -> bool:
    """Whether rights count at all; a broker that knows no such question has none."""
    if _DESCRIBE_ACLS not in versions:
        return False
    answer = await send(DescribeAclsRequest(_TOPIC, None, _ANY, None, None, _ANY, _ANY))
    code: int = answer.error_code
    return code != _NO_AUTHORIZER


async def topic_operations(send: Send, topics: Iterable[str]) -> dict[str, frozenset[int]]:
    """Which of READ and WRITE each topic allows; a topic is left out where that is not told."""
    try:
        answer = await send(_RightsRequest(list(topics)))
    except NotImplementedError:  # aiokafka's word for a broker that is too old.
        return {}
    told: dict[str, frozenset[int]] = {}
    for topic in answer.to_object()["topics"]:
        bits: int = topic["authorized_operations"]
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
