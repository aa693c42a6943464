"""The rules and settings that a worker decided by, from its changelog.

Whoever asks later, or elsewhere, may have other settings; the changelog keeps the text of every
policy under its hash, and its header names the newest.
"""

from collections.abc import Iterable
from typing import Any, Final

from aiokafka import TopicPartition

from schemas.records import Record
from streams.core.rules import Policy, policy_from_text
from streams.investigate.search import LogSearch, Stretch
from streams.state.changelog import HEADER_KEY, policy_key
from streams.state.header import StateError, decode_header
from streams.transport.log_bounds import BrokerUnavailable

TAIL_RECORDS: Final = 5_000  # The newest header is the last record of a checkpoint.
SEARCHED_RECORDS_MAX: Final = 5_000_000  # Of changelogs, for the text of a policy.


class Policies:
    """Those of one deployment; where its changelog may not be read, none."""

    def __init__(self, search: LogSearch, changelog: str, numbers: Iterable[int]) -> None:
        self._search = search
        self._tps = [TopicPartition(changelog, number) for number in numbers]

    async def newest(self) -> str | None:
        """The hash of the policy by which the newest checkpoint was written."""
        tails = {
            tp: Stretch(max(it.start, it.end - TAIL_RECORDS), it.end)
            for tp, it in (await self._whole()).items()
        }
        headers = await self._find(tails, HEADER_KEY)
        newest = max(headers, key=lambda record: record.timestamp_ms, default=None)
        try:
            return None if newest is None else decode_header(newest.value or b"").policy_digest
        except StateError:
            return None

    async def named(self, digest: str) -> Policy | None:
        """The one with this hash, if its text is still there."""
        whole = await self._whole()
        if sum(it.end - it.start for it in whole.values()) > SEARCHED_RECORDS_MAX:
            return None
        for record in await self._find(whole, policy_key(digest)):
            if record.value is not None:
                return policy_from_text(record.value.decode())
        return None

    async def _whole(self) -> dict[TopicPartition, Stretch]:
        try:
            counts = await self._search.partitions({tp.topic for tp in self._tps})
            there = [tp for tp in self._tps if tp.partition < counts[tp.topic]]
            return await self._search.stretches(there, 0, None)
        except BrokerUnavailable:
            return {}

    async def _find(self, stretches: dict[TopicPartition, Stretch], key: bytes) -> list[Record]:
        def has_key(it: Any) -> bool:
            return bool(it.key == key)

        try:
            found = await self._search.find(stretches, dict.fromkeys(stretches, has_key))
        except BrokerUnavailable:
            return []
        return [record for _, record in found]
