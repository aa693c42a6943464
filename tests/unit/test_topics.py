"""What a worker says of topics that are not as they have to be, and what it tells to type."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pytest
from pydantic import SecretStr

from streams.failures import WrongUse
from streams.settings import Settings
from streams.topic_findings import findings, partitions_to_make
from streams.topics import Finding, Found, Refused, wanted_topics

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
    "order-stats": {"message.timestamp.type": "LogAppendTime"},
    "order-incidents": {},
    "order-silences": {"cleanup.policy": "compact"},
    "returnwatch-incidents-changelog": {
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


def with_counts(**partitions: int) -> dict[str, Found]:
    """All topics with 4 partitions but those named, `_` standing for a dash; 0 is not there."""
    counts = {name.replace("_", "-"): count for name, count in partitions.items()}
    made = topics_as_made().items()
    found = {name: replace(topic, partitions=counts.get(name, 4)) for name, topic in made}
    return {name: topic for name, topic in found.items() if topic.partitions}


def test_inputs_of_unequal_partition_counts_are_listed_and_none_is_to_be_widened() -> None:
    finding = only(findings(SETTINGS, with_counts(order_returned=3)))

    assert "order-submitted has 4, order-returned has 3" in finding.problem
    assert "--alter" not in finding.fix
    assert finding.fix.startswith("Set RETURNWATCH_RETURNED_TOPIC to a new name")


def test_an_output_with_fewer_partitions_than_the_inputs_is_to_be_widened() -> None:
    finding = only(findings(SETTINGS, with_counts(order_alerts=1)))

    assert finding.problem == "The inputs have 4 partitions, but order-alerts has 1."
    assert finding.fix == (
        "Type: kafka-topics.sh --bootstrap-server localhost:9092 --alter --topic order-alerts "
        "--partitions 4"
    )


@pytest.mark.parametrize(
    "topic, variable",
    [
        ("order-alerts", "RETURNWATCH_ALERTS_TOPIC"),
        ("order-dead-letters", "RETURNWATCH_DEAD_LETTERS_TOPIC"),
        ("returnwatch-changelog", "RETURNWATCH_APP_ID"),
    ],
)
def test_an_output_with_more_partitions_than_the_inputs_needs_another_name(
    topic: str, variable: str
) -> None:
    finding = only(findings(SETTINGS, with_counts(**{topic.replace("-", "_"): 8})))

    assert finding.problem == f"The inputs have 4 partitions, but {topic} has 8."
    assert finding.fix == f"Set {variable} to a new name and type: returnwatch topics create"


# How many partitions new topics get.


@pytest.mark.parametrize(
    "found, wished, count",
    [
        ({}, None, 4),
        ({}, 7, 7),
        (with_counts(order_submitted=0, order_alerts=9), None, 4),
        (with_counts(order_submitted=0, order_returned=6, order_alerts=9), None, 6),
        (with_counts(order_submitted=6, order_returned=6, order_alerts=0), 6, 6),
        (with_counts(order_submitted=0, order_returned=0), 5, 5),
    ],
)
def test_new_topics_get_as_many_partitions_as_the_inputs_have(
    found: dict[str, Found], wished: int | None, count: int
) -> None:
    assert partitions_to_make(SETTINGS, found, wished) == count


@pytest.mark.parametrize(
    "found, wished, said",
    [
        (with_counts(), 7, "as order-submitted has 4, order-returned has 4: nothing was made"),
        (with_counts(order_returned=0), 7, "as order-submitted has 4: nothing was made"),
        (
            with_counts(order_submitted=0, order_returned=0, order_alerts=9),
            None,
            "Give --partitions 9",
        ),
    ],
)
def test_partitions_that_do_not_go_with_what_is_there_are_wrong_use(
    found: dict[str, Found], wished: int | None, said: str
) -> None:
    with pytest.raises(WrongUse, match=re.escape(said)):
        partitions_to_make(SETTINGS, found, wished)


@pytest.mark.parametrize("wished", [None, 3, 4])
def test_nothing_is_made_beside_unequal_inputs(wished: int | None) -> None:
    with pytest.raises(Refused, match="order-submitted has 4, order-returned has 3"):
        partitions_to_make(SETTINGS, with_counts(order_returned=3), wished)


def test_nothing_is_made_where_an_input_may_not_be_seen() -> None:
    found = topics_as_made()
    found["order-returned"] = Found("order-returned", 0, 0, None, is_forbidden=True)

    with pytest.raises(Refused, match="does not let us see the topic order-returned"):
        partitions_to_make(SETTINGS, found, None)


# Timestamps and the rest.


@pytest.mark.parametrize(
    "found",
    [
        with_counts(order_alerts=1),
        {name: replace(it, configs={}) for name, it in topics_as_made().items()},
        {name: replace(it, configs=None) for name, it in topics_as_made().items()},
    ],
)
def test_every_command_names_our_brokers_and_our_login_and_ends_the_line(
    found: dict[str, Found],
) -> None:
    settings = Settings(
        bootstrap_servers="a:1,b:2",
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        sasl_username="u",
        sasl_password=SecretStr("p"),
    )

    for finding in findings(settings, found):
        command = str(finding).partition("ype: kafka-")[2]
        start = "[a-z]+.sh --bootstrap-server a:1,b:2 --command-config admin.properties --[^()]+"
        assert re.fullmatch(start, command)


def test_producers_time_is_refused_without_consent() -> None:
    found = with_config("order-returned", message_timestamp_type="CreateTime")

    finding = only(findings(SETTINGS, found))

    assert finding.fix.endswith("--add-config message.timestamp.type=LogAppendTime")
    assert finding.problem.startswith("The topic order-returned has message.timestamp.type Create")
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


# The topics of incidents.


def test_without_stats_no_topic_of_incidents_is_wanted() -> None:
    names = [topic.name for topic in wanted_topics(Settings(stats=False))]

    assert names == list(RIGHT)[:5]


def test_a_topic_of_one_writer_may_have_any_count_and_is_made_with_one_partition() -> None:
    found = with_counts(order_incidents=1, order_silences=7)

    assert findings(SETTINGS, found) == []
    assert {topic.name for topic in wanted_topics(SETTINGS) if topic.partitions == 1} == {
        "order-incidents",
        "order-silences",
        "returnwatch-incidents-changelog",
    }
    without_inputs = with_counts(order_submitted=0, order_returned=0, order_silences=7)
    assert partitions_to_make(SETTINGS, without_inputs, 4) == 4


@pytest.mark.parametrize(
    "topic, loses",
    [("order-silences", "silences"), ("returnwatch-incidents-changelog", "state")],
)
def test_a_topic_of_incidents_that_has_to_be_compacted_is_refused_if_it_is_not(
    topic: str, loses: str
) -> None:
    finding = only(findings(SETTINGS, with_config(topic, cleanup_policy="delete")))

    assert f"it would lose {loses}" in finding.problem
