"""The settings: read from the environment and `.env`, checked whole before anything starts.

Knows nothing of what the settings are used for, save how a Kafka client is told about them.
"""

from decimal import Decimal
from functools import partial
from ssl import SSLContext
from typing import Any, Final, Self

from aiokafka.helpers import create_ssl_context
from pydantic import Field, PrivateAttr, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.times import SECOND_MS, milliseconds
from streams import settings_values as values
from streams.failures import WrongUse
from streams.settings_agreement import disagreements
from streams.settings_problems import contradiction, sentences
from streams.settings_sources import ENV_FILE, read_sources

CLIENT_ID: Final = "returnwatch"


class SettingsError(WrongUse):
    """What is wrong with the settings: one sentence for each problem, without any secret."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _setting(group: str, variable: str, default: Any, *, description: str) -> Any:
    return Field(
        default,
        validation_alias=variable,
        description=description,
        json_schema_extra={"group": group},
    )


_kafka = partial(_setting, "Kafka")
_topics = partial(_setting, "Topics")
_verdicts = partial(_setting, "Verdicts")
_running = partial(_setting, "Running")


class Settings(BaseSettings):
    """Every setting; `load_settings` makes it and says in sentences what is wrong."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",  # Windows' editors put a mark before the text.
        env_ignore_empty=True,
        case_sensitive=True,
        extra="ignore",
        validate_by_name=True,
        validate_by_alias=True,
        # By-name values come from `load_settings` alone: else a variable `rules` would be one.
        env_prefix="RETURNWATCH_UNKNOWN_",
    )
    _given: frozenset[str] = PrivateAttr(default=frozenset())

    bootstrap_servers: values.Servers = _kafka(
        "KAFKA_BOOTSTRAP_SERVERS", "localhost:9092", description="The brokers to ask first."
    )
    security_protocol: values.Protocol = _kafka(
        "KAFKA_SECURITY_PROTOCOL", "PLAINTEXT", description="How to talk to the brokers."
    )
    sasl_mechanism: values.Mechanism | None = _kafka(
        "KAFKA_SASL_MECHANISM", None, description="How to log in, with a SASL protocol."
    )
    sasl_username: str | None = _kafka("KAFKA_SASL_USERNAME", None, description="Who logs in.")
    sasl_password: SecretStr | None = _kafka(
        "KAFKA_SASL_PASSWORD", None, description="The password; better in a file, the next one."
    )
    sasl_password_file: values.ExistingFile | None = _kafka(
        "KAFKA_SASL_PASSWORD_FILE",
        None,
        description="The file that holds the password; a line end after it is cut off.",
    )
    ssl_cafile: values.ExistingFile | None = _kafka(
        "KAFKA_SSL_CAFILE",
        None,
        description="Certificates (PEM) of who signed the brokers'; without it, the system's.",
    )
    ssl_certfile: values.ExistingFile | None = _kafka(
        "KAFKA_SSL_CERTFILE", None, description="Our own certificate (PEM)."
    )
    ssl_keyfile: values.ExistingFile | None = _kafka(
        "KAFKA_SSL_KEYFILE", None, description="The key of our own certificate (PEM)."
    )

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

    def kafka_client_options(self) -> dict[str, Any]:
        """What every aiokafka client is told; SettingsError if a file of it does not load."""
        options: dict[str, Any] = {
            "bootstrap_servers": values.server_list(self.bootstrap_servers),
            "client_id": CLIENT_ID,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self._password(),
            }
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = self._ssl_context()
        return options

    def sasl_password_text(self) -> str | None:
        """The password from where it stands; OSError or UnicodeDecodeError from its file."""
        if self.sasl_password_file is not None:
            return self.sasl_password_file.read_text(encoding="utf-8").rstrip("\r\n")
        return None if self.sasl_password is None else self.sasl_password.get_secret_value()

    def _password(self) -> str | None:
        try:
            return self.sasl_password_text()
        except (OSError, UnicodeDecodeError):  # Their texts may hold a part of it.
            file = str(self.sasl_password_file)
            problem = f"KAFKA_SASL_PASSWORD_FILE cannot be read any more: {file!r}."
            raise SettingsError((problem,)) from None

    def _ssl_context(self) -> SSLContext:
        try:
            # OpenSSL asks on the terminal for the password of a key unless it is given one.
            context: SSLContext = create_ssl_context(
                cafile=self.ssl_cafile,
                certfile=self.ssl_certfile,
                keyfile=self.ssl_keyfile,
                password="",
            )
        except (OSError, ValueError) as error:  # An SSLError is an OSError.
            files = "KAFKA_SSL_CAFILE, KAFKA_SSL_CERTFILE and KAFKA_SSL_KEYFILE"
            problem = f"{files} must be PEM files, the key without a password: {error}."
            raise SettingsError((problem,)) from error
        return context

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
