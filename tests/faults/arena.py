"""Where scenarios play: a Kafka cluster of their own, with a proxy before its only broker."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
    ResourceType,
)

from tests.broker.kafka import ClusterConfig, KafkaCluster, KafkaNode
from tests.broker.process import free_port
from tests.broker.topics import Names
from tests.faults.disk import SmallDisk
from tests.faults.nursery import Nursery
from tests.faults.proxy import Proxy

TIMEOUT_S: Final = 30
REQUEST_TIMEOUT_S: Final = 5
POLL_S: Final = 0.1
# A broker that is gone is noticed within seconds.
QUICK: Final = {
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
    "replica.lag.time.max.ms": "3000",
    "request.timeout.ms": "5000",  # Of a transaction's marker to a leader that dies, for one.
}
# Else each of the many partitions would set aside 20 MB for its indexes.
SMALL_FILES: Final = {"log.index.size.max.bytes": "65536", "log.segment.bytes": "4194304"}


@dataclass(frozen=True, slots=True)
class Arena:
    """A running cluster, and where its workers come from; `proxy` stands before its one broker."""

    cluster: KafkaCluster
    nursery: Nursery
    proxy: Proxy | None = None
    proxied_bootstrap: str = ""
    disk: SmallDisk | None = None

    @property
    def bootstrap(self) -> str:
        """The direct way in."""
        return self.cluster.bootstrap

    def way_in(self, *, proxied: bool) -> str:
        """The way in for workers."""
        assert self.proxy is not None or not proxied, "no proxy stands before this cluster"
        return self.proxied_bootstrap if proxied else self.bootstrap

    def node(self, number: int) -> KafkaNode:
        return self.cluster.nodes[number]

    def leader(self, topic: str, partition: int = 0) -> int:
        """The number (from 0) of the node that leads a partition, once there is one."""
        until = time.monotonic() + TIMEOUT_S
        while True:
            found = self._admin().list_topics(topic, timeout=TIMEOUT_S).topics[topic]
            if partition in found.partitions and found.partitions[partition].leader > 0:
                return int(found.partitions[partition].leader) - 1  # Node ids begin at 1.
            assert time.monotonic() < until, f"{topic} has no leader"
            time.sleep(POLL_S)

    def is_whole(self) -> bool:
        """Whether all nodes run and every replica is in sync, by the word of each node: what the
        others say of one that was just killed holds until its session is over."""
        count = len(self.cluster.nodes)
        return all(_tells_whole(node.address, count) for node in self.cluster.nodes)

    def follower(self, *topics: str) -> int:
        """The number of a node of three that leads partition 0 of none of two topics."""
        return min({0, 1, 2} - {self.leader(topic) for topic in topics})

    def coordinator(self, transactional_id: str) -> int:
        """The number of the node that coordinates the transactions of an id."""
        topic = "__transaction_state"
        count = len(self._admin().list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions)
        return self.leader(topic, java_hash(transactional_id) % count)

    def set_min_isr(self, names: Names, replicas: int) -> None:
        """How many replicas alerts and changelog need for a write."""
        entry = ConfigEntry(
            "min.insync.replicas",
            str(replicas),
            incremental_operation=AlterConfigOpType.SET,
        )
        resources = [
            ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
            for topic in (names.alerts, names.changelog)
        ]
        until = time.monotonic() + TIMEOUT_S
        while not self._altered(resources):  # The controller may just have been lost.
            assert time.monotonic() < until, "no controller takes the change"
            time.sleep(POLL_S)

    def _altered(self, resources: list[ConfigResource]) -> bool:
        admin = self._admin()
        try:
            for altered in admin.incremental_alter_configs(
                resources, request_timeout=REQUEST_TIMEOUT_S
            ).values():
                altered.result()
        except KafkaException:
            return False
        return True

    def hangs(self, topic: str, partitions: int) -> bool:
        """Whether a transaction is still open in a topic."""
        return self.ends(topic, partitions) != self.stable_ends(topic, partitions)

    def ends(self, topic: str, partitions: int) -> list[int]:
        """The high watermarks."""
        return self._ends(topic, partitions, IsolationLevel.READ_UNCOMMITTED)

    def stable_ends(self, topic: str, partitions: int) -> list[int]:
        """Before these offsets no transaction is open, nor ended but for its marker."""
        return self._ends(topic, partitions, IsolationLevel.READ_COMMITTED)

    def _ends(self, topic: str, partitions: int, level: IsolationLevel) -> list[int]:
        tps = [TopicPartition(topic, partition) for partition in range(partitions)]
        admin = self._admin()  # The answers need it to stay.
        asked = admin.list_offsets(
            dict.fromkeys(tps, OffsetSpec.latest()),
            isolation_level=level,
            request_timeout=REQUEST_TIMEOUT_S,
        )
        return [asked[tp].result().offset for tp in tps]

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})


@contextmanager
def lone_broker(nursery: Nursery) -> Iterator[Arena]:
    """One broker, reached directly and through a proxy."""
    own, advertised = free_port(), free_port()
    config = ClusterConfig(proxied=(own, advertised))
    with Proxy(advertised, own) as proxy, KafkaCluster(config) as cluster:
        yield Arena(cluster, nursery, proxy, f"127.0.0.1:{advertised}")


@contextmanager
def three_brokers(nursery: Nursery) -> Iterator[Arena]:
    """Replication 3, and two replicas needed for a write."""
    with KafkaCluster(ClusterConfig(nodes=3, settings=QUICK, heap_mb=384)) as cluster:
        yield Arena(cluster, nursery)


@contextmanager
def broker_on_a_small_disk(nursery: Nursery) -> Iterator[Arena]:
    """One broker whose disk can be filled; raises NoDisk where nothing may be mounted."""
    with SmallDisk() as disk:
        settings = {"log.dirs": str(disk.folder / "data"), **SMALL_FILES}
        with KafkaCluster(ClusterConfig(settings=settings)) as cluster:
            yield Arena(cluster, nursery, disk=disk)


def _tells_whole(address: str, nodes: int) -> bool:
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    try:
        told = admin.list_topics(timeout=REQUEST_TIMEOUT_S)
    except KafkaException:
        return False
    partitions = (it for topic in told.topics.values() for it in topic.partitions.values())
    return len(told.brokers) == nodes and all(len(it.isrs) == len(it.replicas) for it in partitions)


def java_hash(text: str) -> int:
    """`Utils.abs(text.hashCode())` of Kafka, for ASCII."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    signed = value - (1 << 32) if value >= 1 << 31 else value
    return 0 if signed == -(1 << 31) else abs(signed)
