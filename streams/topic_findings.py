"""What is wrong with the topics that were found, and what to type against it."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from streams.failures import WrongUse
from streams.permissions import Operation, commands, tool, user_of, worker_grants
from streams.settings import Settings
from streams.topics import (
    CLEANUP_POLICY,
    DEAD_LETTER_BYTES,
    MESSAGE_BYTES,
    TIMESTAMP_TYPE,
    Finding,
    Found,
    Refused,
    Wanted,
    compacted_topics,
    counted,
    topics_of_incidents,
    wanted_topics,
)

PARTITIONS_DEFAULT: Final = 4
HEADERS_BYTES: Final = 16 * 1024

_CLOCKS: Final = (
    "its times are the producers' clocks",
    "what the worker writes would not tell it the broker's clock",
)


def findings(settings: Settings, found: Mapping[str, Found]) -> list[Finding]:
    """Everything that keeps a worker from starting on the topics that were found."""
    wanted = wanted_topics(settings)
    wrong = [_missing(topic) for topic in wanted if topic.name not in found]
    present = [(topic, found[topic.name]) for topic in wanted if topic.name in found]
    wrong += [_forbidden(settings, topic.name) for topic, is_as in present if is_as.is_forbidden]
    allowed = [(topic, is_as) for topic, is_as in present if not is_as.is_forbidden]
    wrong += unequal_inputs(settings, found)
    wrong += _unequal_outputs(settings, found)
    for topic, is_as in allowed:
        wrong += _misconfigured(settings, topic, is_as)
    return wrong + _too_narrow(settings, found)


def in_short(settings: Settings, wrong: list[Finding]) -> list[Finding]:
    """The same, in one sentence where it is that a deployment is from before incidents."""
    names = [topic.name for topic in topics_of_incidents(settings)] if settings.stats else []
    missing = [_missing(topic) for topic in wanted_topics(settings) if topic.name in names]
    if not missing or any(finding not in wrong for finding in missing):
        return wrong
    problem = f"The topics {', '.join(names[:-1])} and {names[-1]} do not exist."
    one = Finding(names[0], problem, f"{missing[0].fix} (or set RETURNWATCH_STATS=false)")
    return [*(finding for finding in wrong if finding not in missing), one]


def partitions_to_make(settings: Settings, found: Mapping[str, Found], wished: int | None) -> int:
    """How many a new topic gets: as the inputs have, else as wished.

    WrongUse where what is wished does not go with what is there, Refused where nothing does.
    """
    inputs = _inputs(settings, found)
    hidden = [name for name, topic in found.items() if topic.is_forbidden]
    wrong = [_forbidden(settings, name) for name in hidden] + unequal_inputs(settings, found)
    if wrong:
        raise Refused(wrong)
    if inputs and wished not in (None, inputs[0].partitions):
        raise WrongUse(
            f"--partitions {wished} does not go with the inputs, as {_counts(inputs)}: nothing was "
            "made. Leave it out, and all new topics get as many."
        )
    count = inputs[0].partitions if inputs else wished or PARTITIONS_DEFAULT
    as_inputs = [topic.name for topic in wanted_topics(settings) if topic.partitions is None]
    wide = [found[name] for name in as_inputs if name in found and found[name].partitions > count]
    if wide and not inputs:
        most = max(topic.partitions for topic in wide)
        raise WrongUse(
            f"{_counts(wide)}, which cannot be made fewer, so inputs with "
            f"{counted(count, 'partition')} do not go with that: nothing was made. "
            f"Give --partitions {most}."
        )
    return count


def _missing(topic: Wanted) -> Finding:
    return Finding(
        topic.name, f"The topic {topic.name} does not exist.", "Type: returnwatch topics create"
    )


def _forbidden(settings: Settings, name: str) -> Finding:
    return Finding(
        name,
        f"The broker does not let us see the topic {name}.",
        f"Type: {_grant(settings, name, *Operation)}",
    )


def unequal_inputs(settings: Settings, found: Mapping[str, Found]) -> list[Finding]:
    """Inputs of unlike partition counts. Never tells to widen one: keys would hash elsewhere, and
    orders part from their results."""
    inputs = _inputs(settings, found)
    counts = {topic.partitions for topic in inputs}
    if len(counts) <= 1:
        return []
    fewest = min(inputs, key=lambda topic: topic.partitions)
    return [
        Finding(
            fewest.name,
            f"The inputs have unequal partition counts: {_counts(inputs)}.",
            f"Set {_variable(settings, fewest.name)} to a new name, have the producers write there "
            "instead, and type: returnwatch topics create",
        )
    ]


def _unequal_outputs(settings: Settings, found: Mapping[str, Found]) -> Iterator[Finding]:
    counts = {topic.partitions for topic in _inputs(settings, found)}
    if len(counts) != 1:
        return
    (count,) = counts
    for topic in wanted_topics(settings):
        is_as = found.get(topic.name)
        if is_as is None or is_as.is_forbidden or is_as.partitions == count or topic.partitions:
            continue
        if is_as.partitions < count:
            alter = ("--alter", "--topic", topic.name, "--partitions", str(count))
            fix = f"Type: {shlex.join([*tool(settings, 'kafka-topics.sh'), *alter])}"
        else:
            variable = _variable(settings, topic.name)
            fix = f"Set {variable} to a new name and type: returnwatch topics create"
        problem = f"The inputs have {counted(count, 'partition')}, but {_counts([is_as])}."
        yield Finding(topic.name, problem, fix)


def _inputs(settings: Settings, found: Mapping[str, Found]) -> list[Found]:
    """Those that are there and may be seen."""
    names = (settings.submitted_topic, settings.returned_topic)
    there = (found[name] for name in names if name in found)
    return [topic for topic in there if not topic.is_forbidden]


def _counts(topics: Iterable[Found]) -> str:
    return ", ".join(f"{topic.name} has {topic.partitions}" for topic in topics)


def _variable(settings: Settings, topic: str) -> str:
    """The variable that gives the topic another name."""
    return {
        settings.submitted_topic: "RETURNWATCH_SUBMITTED_TOPIC",
        settings.returned_topic: "RETURNWATCH_RETURNED_TOPIC",
        settings.alerts_topic: "RETURNWATCH_ALERTS_TOPIC",
        settings.dead_letters_topic: "RETURNWATCH_DEAD_LETTERS_TOPIC",
        settings.changelog_topic: "RETURNWATCH_APP_ID",
        settings.stats_topic: "RETURNWATCH_STATS_TOPIC",
    }[topic]


def _misconfigured(settings: Settings, topic: Wanted, found: Found) -> list[Finding]:
    is_changelog = topic.name == settings.changelog_topic
    if (topic.is_input or is_changelog) and not settings.accept_create_time:
        wrong = _timestamp_type(settings, found, whose=_CLOCKS[is_changelog])
        if wrong:
            return wrong
    return _not_compacted(settings, found)


def _not_compacted(settings: Settings, found: Found) -> list[Finding]:
    loses = compacted_topics(settings).get(found.name)
    policy = (found.configs or {}).get(CLEANUP_POLICY, "compact")
    if loses is None or policy == "compact":
        return []
    return [
        Finding(
            found.name,
            f"The topic {found.name} has cleanup.policy {policy}: it would lose {loses}.",
            f"Type: {_alter(settings, found.name, f'{CLEANUP_POLICY}=compact')}",
        )
    ]


def _timestamp_type(settings: Settings, found: Found, *, whose: str) -> list[Finding]:
    kind = None if found.configs is None else found.configs.get(TIMESTAMP_TYPE)
    if kind == "LogAppendTime":
        return []
    if kind is None:
        problem = f"The broker does not tell the timestamp type of {found.name}."
        fix = _grant(settings, found.name, Operation.DESCRIBE_CONFIGS)
    else:
        problem = f"The topic {found.name} has message.timestamp.type {kind}: {whose}."
        fix = _alter(settings, found.name, f"{TIMESTAMP_TYPE}=LogAppendTime")
    consent = "Set RETURNWATCH_ACCEPT_CREATE_TIME=true, with the weaker promise of "
    return [Finding(found.name, problem, f"{consent}docs/semantics.md, or type: {fix}")]


def _too_narrow(settings: Settings, found: Mapping[str, Found]) -> list[Finding]:
    """An unreadable record that does not fit into the dead letters would stop the worker."""
    letters = settings.dead_letters_topic
    told = {
        name: int(topic.configs[MESSAGE_BYTES])
        for name, topic in found.items()
        if topic.configs and MESSAGE_BYTES in topic.configs
    }
    inputs = (settings.submitted_topic, settings.returned_topic)
    needed = max((told[name] for name in inputs if name in told), default=0) + HEADERS_BYTES
    if letters not in told or told[letters] >= needed:
        return []
    wide_bytes = max(needed, DEAD_LETTER_BYTES)
    return [
        Finding(
            letters,
            f"The topic {letters} takes records of {told[letters]} bytes, too few for the largest "
            "of the inputs with our headers.",
            f"Type: {_alter(settings, letters, f'{MESSAGE_BYTES}={wide_bytes}')}",
        )
    ]


def _alter(settings: Settings, topic: str, config: str) -> str:
    where = ("--entity-type", "topics", "--entity-name", topic)
    words = [*tool(settings, "kafka-configs.sh"), "--alter", *where, "--add-config", config]
    return shlex.join(words)


def _grant(settings: Settings, topic: str, *operations: Operation) -> str:
    """The command for those of the operations that a worker needs on the topic."""
    grants = [
        grant
        for grant in worker_grants(settings, partitions=0)
        if grant.name == topic and grant.operation in operations
    ]
    (command,) = commands(settings, user_of(settings), grants)
    return command
