"""The settings: read from the environment and `.env`, checked whole before anything starts.

Knows nothing of what the settings are used for.
"""

from decimal import Decimal
from functools import partial
from typing import Any, Final, Self

from pydantic import PrivateAttr, ValidationError, model_validator
from pydantic.fields import FieldInfo

from schemas.times import SECOND_MS, milliseconds
from streams import settings_values as values
from streams.settings_agreement import disagreements
from streams.settings_kafka import KafkaSettings, setting
from streams.settings_problems import SettingsError, contradiction, sentences
from streams.settings_sources import read_sources

_topics = partial(setting, "Topics")
_verdicts = partial(setting, "Verdicts")
_running = partial(setting, "Running")


class Settings(KafkaSettings):
    """Every setting; `load_settings` makes it and says in sentences what is wrong."""

    _given: frozenset[str] = PrivateAttr(default=frozenset())

    app_id: values.AppId = _topics(
        "RETURNWATCH_APP_ID",
        "returnwatch",
        description="Names the consumer group, the changelog and the transactions.",
    )
    submitted_topic: values.TopicName = _topics(
        "RETURNWATCH_SUBMITTED_TOPIC", "order-submitted", description="Orders sent out; read."
    )
    returned_topic: values.TopicName = _topics(
        "RETURNWATCH_RETURNED_TOPIC", "order-returned", description="Their results; read."
    )
    alerts_topic: values.TopicName = _topics(
        "RETURNWATCH_ALERTS_TOPIC", "order-alerts", description="The alerts; written."
    )
    dead_letters_topic: values.TopicName = _topics(
        "RETURNWATCH_DEAD_LETTERS_TOPIC",
        "order-dead-letters",
        description="The records that cannot be read; written.",
    )
    stats: values.Flag = _topics(
        "RETURNWATCH_STATS",
        True,
        description="Count by second and tell incidents; false needs none of the next topics.",
    )
    stats_topic: values.TopicName = _topics(
        "RETURNWATCH_STATS_TOPIC",
        "order-stats",
        description="Counts by second, and heartbeats; written, and read for incidents.",
    )
    incidents_topic: values.TopicName = _topics(
        "RETURNWATCH_INCIDENTS_TOPIC",
        "order-incidents",
        description="Incidents, and limits that were crossed; written.",
    )
    silences_topic: values.TopicName = _topics(
        "RETURNWATCH_SILENCES_TOPIC",
        "order-silences",
        description="Planned work (`returnwatch silence`); read.",
    )

    return_within_s: values.Deadline = _verdicts(
        "RETURNWATCH_RETURN_WITHIN_S",
        Decimal(30),
        description="How long a result may take; with a rules file, that file says it instead.",
    )
    grace_s: values.Grace = _verdicts(
        "RETURNWATCH_GRACE_S",
        Decimal(1),
        description="How far behind the clock the end of a topic is taken to be complete.",
    )
    hold_s: values.Duration = _verdicts(
        "RETURNWATCH_HOLD_S",
        Decimal(60),
        description="How long a return may wait for its submission before it is unmatched.",
    )
    remember_s: values.Duration = _verdicts(
        "RETURNWATCH_REMEMBER_S",
        Decimal(600),
        description="How long a closed or timed-out order is remembered; at least the hold.",
    )
    start_at: values.Start = _verdicts(
        "RETURNWATCH_START_AT",
        "earliest",
        description="Where to begin in a partition that has no state yet.",
    )
    accept_create_time: values.Flag = _verdicts(
        "RETURNWATCH_ACCEPT_CREATE_TIME",
        False,
        description="Take inputs whose time is the producers', with the weaker promise.",
    )
    accept_partitioners: values.Flag = _verdicts(
        "RETURNWATCH_ACCEPT_PARTITIONERS",
        False,
        description="Give verdicts even if the two inputs look partitioned in different ways.",
    )
    rules: values.ExistingFile | None = _verdicts(
        "RETURNWATCH_RULES", None, description="The TOML file of rules."
    )

    processes: values.Processes = _running(
        "RETURNWATCH_PROCESSES", 1, description="Worker processes on this machine, one a core."
    )
    codes: values.ExistingFile | None = _running(
        "RETURNWATCH_CODES",
        None,
        description="A TOML file of the providers' codes by class, over the table that we have.",
    )
    checkpoint_interval_s: values.CheckpointInterval = _running(
        "RETURNWATCH_CHECKPOINT_INTERVAL_S",
        5.0,
        description="The longest time between checkpoints while records come in.",
    )
    web_host: values.Host = _running(
        "RETURNWATCH_WEB_HOST", "127.0.0.1", description="Where health and metrics listen."
    )
    web_port: values.Port = _running(
        "RETURNWATCH_WEB_PORT", 6066, description="Their port; 0 turns them off."
    )
    log_level: values.LogLevel = _running(
        "RETURNWATCH_LOG_LEVEL", "info", description="The least that is logged."
    )
    log_format: values.LogFormat = _running(
        "RETURNWATCH_LOG_FORMAT",
        "auto",
        description="text for people, json for machines; auto is text on a terminal.",
    )
    broker_timeout_s: values.Patience = _running(
        "RETURNWATCH_BROKER_TIMEOUT_S",
        60.0,
        description="How long to try again when no broker answers, at the start and later.",
    )

    @property
    def changelog_topic(self) -> str:
        return f"{self.app_id}{values.CHANGELOG_SUFFIX}"

    @property
    def incidents_changelog_topic(self) -> str:
        return f"{self.app_id}{values.INCIDENTS_CHANGELOG_SUFFIX}"

    @property
    def return_within_ms(self) -> int:
        return int(self.return_within_s * SECOND_MS)

    @property
    def grace_ms(self) -> int:
        return int(self.grace_s * SECOND_MS)

    @property
    def hold_ms(self) -> int:
        return int(self.hold_s * SECOND_MS)

    @property
    def remember_ms(self) -> int:
        return int(self.remember_s * SECOND_MS)

    @property
    def start_at_ms(self) -> str | int:
        """`earliest`, `latest` or milliseconds since 1970."""
        if self.start_at in {"earliest", "latest"}:
            return self.start_at
        return milliseconds(self.start_at)

    @property
    def overridden(self) -> frozenset[str]:
        """The attributes that `load_settings` was given, whatever the environment says."""
        return self._given

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        wrong = tuple(disagreements(self))
        if wrong:
            raise contradiction(wrong)
        return self


# By variable, as the environment has them, in the order of the documentation.
FIELDS: Final[dict[str, FieldInfo]] = {
    str(field.validation_alias): field for field in Settings.model_fields.values()
}


def load_settings(**overrides: Any) -> Settings:
    """The settings of the environment and `.env`, `overrides` by attribute name before both.

    SettingsError with all that is wrong, if anything is.
    """
    assert overrides.keys() <= Settings.model_fields.keys()
    sources = read_sources(FIELDS)
    if sources.unreadable:
        raise SettingsError(sources.problems)
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        fields = FIELDS | Settings.model_fields
        raise SettingsError((*sources.problems, *sentences(error, fields))) from None
    if sources.problems:
        raise SettingsError(sources.problems)
    settings._given = frozenset(overrides)
    return settings
