"""What a worker says of topics that are not as they have to be, and what it tells to type."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pytest

from streams.settings import Settings
from streams.topics import Finding, Found, findings, wanted_topics

SETTINGS: Final = Settings()
CONSENTING: Final = Settings(accept_create_time=True)
ROOM: Final = {"max.message.bytes": "1048588"}
RIGHT: Final[Mapping[str, dict[str, str]]] = {
    "order-submitted": {"message.timestamp.type": "LogAppendTime", **ROOM},
    "order-returned": {"message.timestamp.type": "LogAppendTime", **ROOM},
    "order-alerts": {"message.timestamp.type": "CreateTime", **ROOM},
    "order-dead-letters": {"message.timestamp.type": "CreateTime", "max.message.bytes": "2097152"},
    "returnwatch-changelog": {
        "cleanup.policy": "compact",
        "message.timestamp.type": "LogAppendTime",
    },
}


def topics_as_made(partitions: int = 4) -> dict[str, Found]:
    return {name: Found(name, partitions, 1, configs) for name, configs in RIGHT.items()}


def with_config(topic: str, **configs: str) -> dict[str, Found]:
    """All topics right but one; `_` in a name stands for a dot."""
    found = topics_as_made()
    dotted = {name.replace("_", "."): value for name, value in configs.items()}
    found[topic] = replace(found[topic], configs=RIGHT[topic] | dotted)
    return found


def only(wrong: list[Finding]) -> Finding:
    (finding,) = wrong
    return finding


def test_topics_as_they_are_made_give_no_finding() -> None:
    made = {
        topic.name: Found(topic.name, 4, 1, ROOM | dict(topic.configs))
        for topic in wanted_topics(SETTINGS)
    }

    assert findings(SETTINGS, made) == []


@pytest.mark.parametrize("name", RIGHT)
def test_a_missing_topic_is_named_with_the_command_that_makes_it(name: str) -> None:
    found = topics_as_made()
    del found[name]

    finding = only(findings(SETTINGS, found))

    assert finding.subject == name
    assert str(finding) == f"The topic {name} does not exist. Type: returnwatch topics create"


def test_where_nothing_is_there_every_topic_is_named_once() -> None:
    wrong = findings(SETTINGS, {})

    assert [finding.subject for finding in wrong] == list(RIGHT)


def test_unequal_partition_counts_are_listed_and_the_narrowest_topic_is_to_be_widened() -> None:
    found = topics_as_made(4)
    found["order-returned"] = replace(found["order-returned"], partitions=3)

    finding = only(findings(SETTINGS, found))

    assert "order-submitted has 4, order-returned has 3" in finding.problem
    assert finding.fix.endswith("--topic order-returned --partitions 4")


def test_producers_time_is_refused_without_consent() -> None:
    found = with_config("order-returned", message_timestamp_type="CreateTime")

    finding = only(findings(SETTINGS, found))

    assert finding.problem.startswith("The topic order-returned has message.timestamp.type Create")
    assert "--add-config message.timestamp.type=LogAppendTime" in finding.fix
    assert "RETURNWATCH_ACCEPT_CREATE_TIME=true" in finding.fix


def test_producers_time_is_taken_with_consent() -> None:
    found = with_config("order-returned", message_timestamp_type="CreateTime")

    assert findings(CONSENTING, found) == []


def test_inputs_whose_configuration_is_not_told_are_refused_without_consent() -> None:
    found = {name: replace(topic, configs=None) for name, topic in topics_as_made().items()}

    wrong = findings(SETTINGS, found)

    assert [finding.subject for finding in wrong] == [
        "order-submitted",
        "order-returned",
        "returnwatch-changelog",
    ]
    assert wrong[0].problem == "The broker does not tell the timestamp type of order-submitted."
    assert "--operation DescribeConfigs --topic order-submitted" in wrong[0].fix
    assert findings(CONSENTING, found) == []


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_changelog_that_would_lose_state_is_refused(policy: str) -> None:
    found = with_config("returnwatch-changelog", cleanup_policy=policy)

    finding = only(findings(SETTINGS, found))

    assert f"cleanup.policy {policy}" in finding.problem
    assert finding.fix.endswith("--add-config cleanup.policy=compact")


def test_dead_letters_that_are_too_narrow_for_the_largest_input_record_are_refused() -> None:
    found = with_config("order-dead-letters", max_message_bytes="1048588")

    finding = only(findings(SETTINGS, found))

    assert "takes records of 1048588 bytes, too few" in finding.problem
    assert finding.fix.endswith(
        "--entity-name order-dead-letters --add-config max.message.bytes=2097152"
    )


def test_dead_letters_have_to_be_as_wide_as_an_unusually_wide_input_with_our_headers() -> None:
    found = with_config("order-submitted", max_message_bytes="5000000")

    finding = only(findings(SETTINGS, found))

    assert finding.fix.endswith(f"--add-config max.message.bytes={5_000_000 + 16 * 1024}")


def test_a_topic_that_may_not_be_seen_is_the_one_finding_about_it() -> None:
    found = topics_as_made()
    found["order-returned"] = Found("order-returned", 0, 0, None, is_forbidden=True)

    finding = only(findings(SETTINGS, found))

    assert finding.problem == "The broker does not let us see the topic order-returned."
    assert finding.fix.startswith("Type: kafka-acls.sh --bootstrap-server localhost:9092 --add ")
    assert finding.fix.endswith(
        "--operation Read --operation DescribeConfigs --topic order-returned"
    )
