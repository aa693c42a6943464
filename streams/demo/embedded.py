"""A broker inside this process: librdkafka's mock cluster, which comes with `confluent-kafka`.

For the demo and for tests where no Kafka is at hand, with nothing but pip. Memory only. What it
does not do (found by trying, confluent-kafka 2.16):

- topics are never created, they appear on first use, with `PARTITIONS` partitions;
- the end of transactions does not show: read_committed sees aborted records too;
- the markers at the end of transactions have no checksum, so aiokafka's consumers can read what
  was written in transactions only with `READER_OPTIONS`;
- no offsets inside transactions (the call hangs), no look-up of offsets by time;
- timestamps are the producer's, and produce answers carry a made-up one;
- joining a group takes about 3 s.
"""

from collections.abc import Iterable
from typing import Any, Final, Self

PARTITIONS: Final = 4
READER_OPTIONS: Final[dict[str, Any]] = {"check_crcs": False}
_START_TIMEOUT_S: Final = 10.0


class EmbeddedBrokerMissing(Exception):
    """confluent-kafka is not installed; the message is one sentence that says what to type."""


class EmbeddedBroker:
    """A context manager; `bootstrap` is its address while it is open."""

    def __init__(self) -> None:
        self._cluster: Any = None
        self._bootstrap = ""

    @property
    def bootstrap(self) -> str:
        assert self._bootstrap, "the embedded broker is not running"
        return self._bootstrap

    def make_topics(self, names: Iterable[str]) -> None:
        """Being asked for makes a topic there."""
        for name in names:
            self._cluster.list_topics(name, timeout=_START_TIMEOUT_S)

    def __enter__(self) -> Self:
        self._cluster = _mock_cluster()
        brokers = self._cluster.list_topics(timeout=_START_TIMEOUT_S).brokers.values()
        self._bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        return self

    def __exit__(self, *_: object) -> None:
        # The cluster lives as long as the client that made it.
        self._cluster = None
        self._bootstrap = ""


def _mock_cluster() -> Any:
    try:
        from confluent_kafka import Producer  # An extra: the worker runs without it.
    except ImportError as error:
        raise EmbeddedBrokerMissing(
            "The embedded broker needs confluent-kafka: pip install 'returnwatch[demo]', or set "
            "KAFKA_BOOTSTRAP_SERVERS to a Kafka that runs."
        ) from error
    return Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
