"""Which release of Kafka a broker is, as exact as its protocol tells.

A broker of today (KRaft) tells up to which version it knows the metadata log, which grows with
every release; of an older one only what it speaks is known.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from streams.transport.rights import Send

# Keys of Kafka's protocol: https://kafka.apache.org/protocol#protocol_api_keys
_PRODUCE: Final = 0
_FETCH: Final = 1
_LIST_OFFSETS: Final = 2
_JOIN_GROUP: Final = 11
_API_VERSIONS: Final = 18
_ADD_PARTITIONS: Final = 24
_DESCRIBE_ACLS: Final = 29

_WITH_FEATURES: Final = 3  # The first version of ApiVersions that tells them (KIP-584).
_SUPPORTED: Final = 0  # The tag they have there.
_METADATA: Final = "metadata.version"

# The highest metadata version of each release, as its MetadataVersion.java has it.
_LAST_OF: Final = (
    (7, "3.3"),
    (8, "3.4"),
    (11, "3.5"),
    (14, "3.6"),
    (19, "3.7"),
    (20, "3.8"),
    (21, "3.9"),
    (25, "4.0"),
    (27, "4.1"),
    (29, "4.2"),
    (30, "4.3"),
)
# What each release brought, newest first, as kafka-python tells brokers apart
# (BrokerConnection._infer_broker_version_from_api_versions).
_NEW_IN: Final = (
    ("3.9 or later", _FETCH, 17),
    ("3.8", _PRODUCE, 11),
    ("3.7", _FETCH, 16),
    ("3.6", _ADD_PARTITIONS, 4),
    ("3.5", _FETCH, 15),
    ("3.3 or 3.4", _DESCRIBE_ACLS, 3),
    ("3.2", _JOIN_GROUP, 9),
    ("3.1", _FETCH, 13),
    ("3.0", _LIST_OFFSETS, 7),
    ("2.8", _PRODUCE, 9),
)

Versions = Mapping[int, tuple[int, int]]


def release_of(versions: Versions, metadata_version: int | None) -> str:
    """The release that speaks these versions and knows the metadata log up to that one."""
    if metadata_version is not None:
        after = f"later than {_LAST_OF[-1][1]}"
        return next((name for last, name in _LAST_OF if metadata_version <= last), after)
    for name, key, version in _NEW_IN:
        if versions.get(key, (-1, -1))[1] >= version:
            return name
    return "before 2.8"


async def metadata_version(send: Send, versions: Versions) -> int | None:
    """The highest that the broker knows; None where it tells none."""
    if versions.get(_API_VERSIONS, (0, 0))[1] < _WITH_FEATURES:
        return None
    answer = (await send(_FeaturesRequest())).to_object()
    supported = answer["tags"].get(_SUPPORTED)
    if supported is None:
        return None
    features = {name: highest for name, _, highest, _ in _FEATURES.decode(BytesIO(supported))}
    return features.get(_METADATA)


_FEATURES: Final = CompactArray(
    ("name", CompactString("utf-8")),
    ("lowest", Int16),
    ("highest", Int16),
    ("tags", TaggedFields),
)


class _FeaturesAnswer(Response):  # type: ignore[misc]  # Untyped.
    API_KEY = _API_VERSIONS
    API_VERSION = _WITH_FEATURES
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "api_versions",
            CompactArray(
                ("key", Int16), ("lowest", Int16), ("highest", Int16), ("tags", TaggedFields)
            ),
        ),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class _FeaturesQuestion(RequestStruct):  # type: ignore[misc]  # Untyped.
    API_KEY = _API_VERSIONS
    API_VERSION = _WITH_FEATURES
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _FeaturesAnswer
    SCHEMA = Schema(
        ("client_software_name", CompactString("utf-8")),
        ("client_software_version", CompactString("utf-8")),
        ("tags", TaggedFields),
    )

    def parse_response_header(self, read_buffer: BytesIO | bytes) -> ResponseHeader_v0:
        """Without tags, alone of all flexible ones: who asks may not know yet what is spoken."""
        return ResponseHeader_v0.decode(read_buffer)


class _FeaturesRequest(Request[_FeaturesQuestion]):  # type: ignore[misc]  # Untyped.
    API_KEY = _API_VERSIONS

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class("returnwatch", "1", {})
