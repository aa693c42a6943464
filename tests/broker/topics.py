"""Topics for tests: made, named for one test, and deleted."""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

TIMEOUT_S: Final = 30
POLL_S: Final = 0.05
LOG_APPEND_TIME: Final = {"message.timestamp.type": "LogAppendTime"}
COMPACTED: Final = {"cleanup.policy": "compact", **LOG_APPEND_TIME}
ROOMY: Final = {"max.message.bytes": str(2 * 1024 * 1024)}


@dataclass(frozen=True, slots=True)
class Names:
    """One test's own app id and topics, all of which begin with the app id."""

    app_id: str
    submitted: str
    returned: str
    alerts: str
    dead_letters: str
    changelog: str

    @property
    def stats(self) -> str:
        return self.alerts.removesuffix("alerts") + "stats"

    @property
    def incidents(self) -> str:
        return self.alerts.removesuffix("alerts") + "incidents"

    @property
    def silences(self) -> str:
        return self.alerts.removesuffix("alerts") + "silences"

    @property
    def incidents_changelog(self) -> str:
        return f"{self.app_id}-incidents-changelog"

    def twin(self, suffix: str) -> "Names":
        """The names of an app that reads the same inputs and writes elsewhere."""
        return Names(
            app_id=f"{self.app_id}{suffix}",
            submitted=self.submitted,
            returned=self.returned,
            alerts=f"{self.app_id}{suffix}-order-alerts",
            dead_letters=f"{self.app_id}{suffix}-order-dead-letters",
            changelog=f"{self.app_id}{suffix}-changelog",
        )

    def env(self, bootstrap: str, **more: str) -> dict[str, str]:
        """What a worker or command needs to find this test's topics, and `more` over it."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "RETURNWATCH_APP_ID": self.app_id,
            "RETURNWATCH_SUBMITTED_TOPIC": self.submitted,
            "RETURNWATCH_RETURNED_TOPIC": self.returned,
            "RETURNWATCH_ALERTS_TOPIC": self.alerts,
            "RETURNWATCH_DEAD_LETTERS_TOPIC": self.dead_letters,
            "RETURNWATCH_STATS_TOPIC": self.stats,
            "RETURNWATCH_INCIDENTS_TOPIC": self.incidents,
            "RETURNWATCH_SILENCES_TOPIC": self.silences,
            **more,
        }

    def topics(self, partitions: int = 1) -> dict[str, tuple[int, Mapping[str, str]]]:
        """All as `topics create` would make them; for create_topics."""
        return {
            self.submitted: (partitions, LOG_APPEND_TIME),
            self.returned: (partitions, LOG_APPEND_TIME),
            self.alerts: (partitions, {}),
            self.dead_letters: (partitions, ROOMY),
            self.changelog: (partitions, COMPACTED),
            self.stats: (partitions, LOG_APPEND_TIME),
            self.incidents: (1, {}),
            self.silences: (1, {"cleanup.policy": "compact"}),
            self.incidents_changelog: (1, COMPACTED),
        }


def new_names() -> Names:
    app_id = f"test-{uuid.uuid4().hex[:8]}"
    return Names(
        app_id=app_id,
        submitted=f"{app_id}-order-submitted",
        returned=f"{app_id}-order-returned",
        alerts=f"{app_id}-order-alerts",
        dead_letters=f"{app_id}-order-dead-letters",
        changelog=f"{app_id}-changelog",
    )


def is_embedded(bootstrap: str) -> bool:
    """Whether librdkafka's mock cluster answers there."""
    return str(_admin(bootstrap).list_topics(timeout=TIMEOUT_S).cluster_id).startswith("mock")


def create_topics(bootstrap: str, topics: Mapping[str, tuple[int, Mapping[str, str]]]) -> None:
    """Name to (partitions, config), ready for use; raises confluent_kafka.KafkaException.

    The embedded broker makes them with 4 partitions and no config, whatever is asked for.
    """
    admin = _admin(bootstrap)
    if is_embedded(bootstrap):
        for name in topics:
            admin.list_topics(name, timeout=TIMEOUT_S)
        return
    new = [
        NewTopic(name, partitions, config=dict(config))
        for name, (partitions, config) in topics.items()
    ]
    for created in admin.create_topics(new, operation_timeout=TIMEOUT_S).values():
        created.result()
    _wait_until(lambda: topics.keys() <= _with_leaders(admin))


def delete_topics(bootstrap: str, names: Iterable[str]) -> None:
    """Gone when it returns; raises confluent_kafka.KafkaException."""
    gone = set(names)
    admin = _admin(bootstrap)  # The answers need it to stay.
    for deleted in admin.delete_topics(list(gone)).values():
        deleted.result()
    _wait_until(lambda: gone.isdisjoint(admin.list_topics(timeout=TIMEOUT_S).topics))


def cut_off(bootstrap: str, topic: str, starts: Mapping[int, int]) -> None:
    """Records before these offsets (by partition) are gone, as retention does it."""
    before = [TopicPartition(topic, partition, offset) for partition, offset in starts.items()]
    admin = _admin(bootstrap)
    _wait_until(lambda: _deletes(admin, before))


def cut_off_compacted(bootstrap: str, topic: str, starts: Mapping[int, int]) -> None:
    """The same where only compaction may delete, which Kafka refuses."""
    _set_policy(bootstrap, topic, "compact,delete")
    cut_off(bootstrap, topic, starts)
    _set_policy(bootstrap, topic, "compact")


def topics_with_prefix(bootstrap: str, prefix: str) -> list[str]:
    topics = _admin(bootstrap).list_topics(timeout=TIMEOUT_S).topics
    return sorted(name for name in topics if name.startswith(prefix))


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def _with_leaders(admin: AdminClient) -> set[str]:
    topics = admin.list_topics(timeout=TIMEOUT_S).topics
    return {
        name
        for name, topic in topics.items()
        if all(partition.leader >= 0 for partition in topic.partitions.values())
    }


def _set_policy(bootstrap: str, topic: str, policy: str) -> None:
    entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = _admin(bootstrap)  # The answer needs it to stay.
    (altered,) = admin.incremental_alter_configs([resource]).values()
    altered.result()


def _deletes(admin: AdminClient, before: list[TopicPartition]) -> bool:
    """Whether the leaders delete; one that has not taken a new policy over yet refuses it."""
    try:
        for deleted in admin.delete_records(before).values():
            deleted.result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.POLICY_VIOLATION:
            raise
        return False
    return True


def _wait_until(seen: Callable[[], bool]) -> None:
    """The controller answers before every broker's metadata shows what it did."""
    until = time.monotonic() + TIMEOUT_S
    while not seen():
        assert time.monotonic() < until, "the brokers' metadata does not show the change"
        time.sleep(POLL_S)
