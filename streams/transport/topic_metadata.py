"""Asks for topics with their ids, which aiokafka's own metadata request is too old for.

A topic that is deleted and made again under its name has another id (KIP-516); brokers before 2.8
do not tell any. Formats: https://kafka.apache.org/protocol#The_Messages_Metadata
"""

from io import BytesIO
from typing import Any, Final
from uuid import UUID

from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v4, MetadataRequest_v5
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

_API_KEY: Final = 3
_VERSION: Final = 10  # The first with topic ids.


class _Uuid(AbstractType[UUID]):
    """16 bytes."""

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes


_NODES: Final = CompactArray(Int32)
_PARTITION: Final = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", _NODES),
    ("isr", _NODES),
    ("offline_replicas", _NODES),
    ("tags", TaggedFields),
)
_TOPIC: Final = (
    ("error_code", Int16),
    ("topic", CompactString("utf-8")),
    ("topic_id", _Uuid),
    ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)),
    ("authorized_operations", Int32),
    ("tags", TaggedFields),
)
_BROKER: Final = (
    ("node_id", Int32),
    ("host", CompactString("utf-8")),
    ("port", Int32),
    ("rack", CompactString("utf-8")),
    ("tags", TaggedFields),
)


class _TopicsResponse(Response):
    API_KEY = _API_KEY
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(*_BROKER)),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        ("topics", CompactArray(*_TOPIC)),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _TopicsRequestWithIds(RequestStruct):
    API_KEY = _API_KEY
    API_VERSION = _VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _TopicsResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicsRequest(Request[MetadataRequest_v4 | MetadataRequest_v5 | _TopicsRequestWithIds]):
    """Describes topics by name and makes none; `topic_id` and `authorized_operations` are missing
    where a broker is too old. Operations, a set of bits (KIP-430), are told if asked for."""

    API_KEY = _API_KEY

    def __init__(self, names: list[str], *, with_operations: bool = False) -> None:
        self._names = names
        self._with_operations = with_operations

    def build(self, request_struct_class: Any) -> Any:
        """The request in the version that the broker speaks."""
        if request_struct_class is not _TopicsRequestWithIds:
            return request_struct_class(self._names, False)
        topics: list[Any] = [(UUID(int=0), name, {}) for name in self._names]
        return request_struct_class(topics, False, False, self._with_operations, {})


def topic_id(topic: dict[str, Any]) -> str | None:
    """The id of a topic in the answer, if the broker gave one."""
    told: UUID | None = topic.get("topic_id")
    return None if told is None or told.int == 0 else str(told)
