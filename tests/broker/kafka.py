"""Apache Kafka for tests: one or several combined KRaft nodes on loopback, data in a temp folder.

    with KafkaCluster() as cluster:
        Producer({"bootstrap.servers": cluster.bootstrap})

Faults: `cluster.nodes[0].kill()`, `.pause()`, `.resume()`, `.stop()`, `.start()`.
"""

import os
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.broker.jars import kafka_jars
from tests.broker.process import ChildProcess, free_port

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 20.0
POLL_S: Final = 0.1

# A broker light enough to stand beside what it tests on two cores.
LIGHT: Final = {
    "auto.create.topics.enable": "false",
    "background.threads": "2",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # The first index entries of a log are page faults in memory-mapped files, each made as large
    # as it may become. ext4 of Linux 6.18 fills all of it at once: 1.8 ms for the 10 MiB of the
    # default, 21 us for this. With hundreds of fresh logs the broker did nothing else for seconds.
    "log.index.size.max.bytes": str(64 * 1024),
    "log.cleaner.backoff.ms": "1000",
    "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
    "num.io.threads": "4",
    "num.network.threads": "2",
    "offsets.topic.num.partitions": "5",
    "share.coordinator.state.topic.num.partitions": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "transaction.state.log.num.partitions": "5",
}


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    nodes: int = 1
    heap_mb: int = 512
    settings: Mapping[str, str] = field(default_factory=dict)  # Win over ours, in Kafka's words.
    passwords: Mapping[str, str] = field(default_factory=dict)  # By user; with any, rights count.
    # Of a single node: a second listener's own port, and the port that it is advertised under.
    proxied: tuple[int, int] | None = None


class KafkaNode:
    """One broker and controller. Its data stays over stop, kill and start."""

    def __init__(self, folder: Path, properties: Mapping[str, str], *, heap_mb: int) -> None:
        self.folder = folder
        listeners = (at.split("://") for at in properties["advertised.listeners"].split(","))
        self.addresses = dict(listeners)  # By listener.
        self._heap_mb = heap_mb
        self._process: ChildProcess | None = None
        lines = (f"{name}={value}\n" for name, value in properties.items())
        self._properties.write_text("".join(lines))

    @property
    def address(self) -> str:
        """Where anybody may come in, as a super user where rights count."""
        return self.addresses["PLAINTEXT"]

    @property
    def process(self) -> ChildProcess:
        assert self._process is not None, "the node has not been started"
        return self._process

    def format(self, cluster_id: str) -> None:
        """Makes the storage. Raises RuntimeError with what Kafka said."""
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties)]
        command = [*self._java, "-XX:TieredStopAtLevel=1", *tool]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"Kafka's storage was not formatted: {done.stdout}{done.stderr}")

    def start(self) -> None:
        assert self._process is None or self._process.returncode is not None, "it runs already"
        command = [*self._java, f"-Xmx{self._heap_mb}m", "kafka.Kafka", str(self._properties)]
        log = self.folder / "output.log"
        self._process = ChildProcess(command, log, env=os.environ, cwd=self.folder)

    def stop(self) -> int:
        return self.process.terminate(STOP_TIMEOUT_S)

    def kill(self) -> int:
        return self.process.kill()

    def pause(self) -> None:
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _java(self) -> list[str]:
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return ["java", quiet, "-cp", f"{kafka_jars()}/*"]


class KafkaCluster:
    """A context manager; raises KafkaMissing where there is no Java, no Maven or no way to jars."""

    def __init__(self, config: ClusterConfig | None = None) -> None:
        self.config = config or ClusterConfig()
        self.nodes: list[KafkaNode] = []
        self._folder = tempfile.TemporaryDirectory(
            prefix="returnwatch-kafka-", ignore_cleanup_errors=True
        )

    @property
    def bootstrap(self) -> str:
        return ",".join(node.address for node in self.nodes)

    @property
    def login_bootstrap(self) -> str:
        """Where users log in (SASL_PLAINTEXT, PLAIN); there with passwords only."""
        return ",".join(node.addresses["SASL_PLAINTEXT"] for node in self.nodes)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def wait_until_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Until every node that runs is seen by the others. Raises RuntimeError with the log."""
        until = time.monotonic() + timeout_s
        running = [node for node in self.nodes if node.process.returncode is None]
        while not (running and len(brokers_of(self.bootstrap)) == len(running)):
            ended = [node for node in running if node.process.returncode is not None]
            if ended or not running or time.monotonic() > until:
                told = "\n".join(node.process.text()[-3000:] for node in self.nodes)
                raise RuntimeError(f"Kafka did not answer within {timeout_s} s:\n{told}")
            time.sleep(POLL_S)

    def _start(self) -> None:
        kafka_jars()  # Says what is missing before anything is made.
        # An id that begins with a dash would be taken for an option.
        cluster_id = "k" + urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        self.nodes = self._make_nodes()
        for node in self.nodes:
            node.format(cluster_id)
            node.start()
        self.wait_until_ready()

    def _make_nodes(self) -> list[KafkaNode]:
        ports = {number: (free_port(), free_port()) for number in range(1, self.config.nodes + 1)}
        voters = ",".join(f"{number}@127.0.0.1:{vote}" for number, (_, vote) in ports.items())
        nodes = []
        for number, (clients, vote) in ports.items():
            folder = Path(self._folder.name) / str(number)
            folder.mkdir()
            clients_at = {"PLAINTEXT": clients}
            if self.config.passwords:
                clients_at["SASL_PLAINTEXT"] = free_port()
            advertised = ",".join(f"{name}://127.0.0.1:{at}" for name, at in clients_at.items())
            properties = {
                "node.id": str(number),
                "process.roles": "broker,controller",
                "controller.quorum.voters": voters,
                "controller.listener.names": "CONTROLLER",
                "listeners": f"{advertised},CONTROLLER://127.0.0.1:{vote}",
                "advertised.listeners": advertised,
                "log.dirs": str(folder / "data"),
                **replication(self.config.nodes),
                **LIGHT,
                **rights(self.config.passwords),
                **self._second_listener(clients, vote),
                **self.config.settings,
            }
            nodes.append(KafkaNode(folder, properties, heap_mb=self.config.heap_mb))
        return nodes

    def _second_listener(self, clients: int, vote: int) -> dict[str, str]:
        if self.config.proxied is None:
            return {}
        assert self.config.nodes == 1, "each node would need a port of its own"
        own, advertised = self.config.proxied
        direct = f"PLAINTEXT://127.0.0.1:{clients}"
        kinds = ("PLAINTEXT", "PROXIED", "CONTROLLER")
        return {
            "listeners": f"{direct},PROXIED://127.0.0.1:{own},CONTROLLER://127.0.0.1:{vote}",
            "advertised.listeners": f"{direct},PROXIED://127.0.0.1:{advertised}",
            "listener.security.protocol.map": ",".join(f"{kind}:PLAINTEXT" for kind in kinds),
            "inter.broker.listener.name": "PLAINTEXT",
        }

    def _end(self) -> None:
        for node in self.nodes:
            if node._process is not None:
                node.kill()  # The data goes with it, so nothing is gained by a clean end.
        self._folder.cleanup()


def replication(nodes: int) -> dict[str, str]:
    """Three copies where there are three nodes, two of them needed for a write; else one."""
    copies, needed = (3, 2) if nodes >= 3 else (1, 1)
    return {
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(needed),
        "offsets.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": str(needed),
        "share.coordinator.state.topic.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(needed),
        "transaction.state.log.replication.factor": str(copies),
    }


def rights(passwords: Mapping[str, str]) -> dict[str, str]:
    """Users log in and may do what was granted to them; ANONYMOUS and `admin` may do anything."""
    if not passwords:
        return {}
    users = " ".join(f'user_{name}="{password}"' for name, password in passwords.items())
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    return {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "listener.security.protocol.map": ",".join(
            ("PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT", "SASL_PLAINTEXT:SASL_PLAINTEXT")
        ),
        "super.users": "User:ANONYMOUS;User:admin",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": f"{module} required {users};",
    }


def brokers_of(bootstrap: str) -> set[int]:
    """The ids of the brokers that the cluster knows; none while nobody answers."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return set(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return set()
