"""What a worker asks a broker, counted from the bytes that pass the proxy.

A request begins with its length (4 bytes) and its API key (2 bytes).
"""

from collections import Counter
from typing import Final

NAMES: Final = {
    0: "Produce",
    1: "Fetch",
    2: "ListOffsets",
    3: "Metadata",
    8: "OffsetCommit",
    10: "FindCoordinator",
    12: "Heartbeat",
    22: "InitProducerId",
    24: "AddPartitionsToTxn",
    26: "EndTxn",
}
HEAD_BYTES: Final = 6


class Requests:
    """Those of one connection; `counts` may be shared by all."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._head = b""
        self._left = 0  # Of the request under way.

    def feed(self, chunk: bytes) -> None:
        while chunk:
            if self._left:
                taken = min(self._left, len(chunk))
                self._left -= taken
            else:
                taken = min(HEAD_BYTES - len(self._head), len(chunk))
                self._head += chunk[:taken]
                self._begin()
            chunk = chunk[taken:]

    def _begin(self) -> None:
        if len(self._head) < HEAD_BYTES:
            return
        key = int.from_bytes(self._head[4:])
        self._counts[NAMES.get(key, str(key))] += 1
        self._left = int.from_bytes(self._head[:4]) - 2
        self._head = b""
