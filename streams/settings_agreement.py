"""What settings, each of them right, may not say together.

Yields sentences like those for a single wrong setting; never the value of a secret.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # The model asks here when it is made, so it cannot be imported before.
    from streams.settings import Settings


def disagreements(settings: "Settings") -> Iterator[str]:
    """One sentence for each; none if the settings agree."""
    yield from _topic_problems(settings)
    yield from _verdict_problems(settings)
    if settings.security_protocol.startswith("SASL"):
        yield from _login_problems(settings)
    yield from _file_problems(settings)


def _topic_problems(settings: "Settings") -> Iterator[str]:
    used: dict[str, str] = {}
    used_names = [
        ("RETURNWATCH_SUBMITTED_TOPIC", settings.submitted_topic),
        ("RETURNWATCH_RETURNED_TOPIC", settings.returned_topic),
        ("RETURNWATCH_ALERTS_TOPIC", settings.alerts_topic),
        ("RETURNWATCH_DEAD_LETTERS_TOPIC", settings.dead_letters_topic),
        ("The changelog (RETURNWATCH_APP_ID and '-changelog')", settings.changelog_topic),
    ]
    if settings.stats:
        used_names += _of_incidents(settings)
    for variable, topic in used_names:
        other = used.setdefault(topic, variable)
        if other != variable:
            yield (
                f"{other} and {variable} must be unlike, both are {topic!r}; for example"
                f" {_other_name(settings, topic)}."
            )


def _of_incidents(settings: "Settings") -> list[tuple[str, str]]:
    changelog = settings.incidents_changelog_topic
    return [
        ("RETURNWATCH_STATS_TOPIC", settings.stats_topic),
        ("RETURNWATCH_INCIDENTS_TOPIC", settings.incidents_topic),
        ("RETURNWATCH_SILENCES_TOPIC", settings.silences_topic),
        ("The incidents' changelog (RETURNWATCH_APP_ID and '-incidents-changelog')", changelog),
    ]


def _other_name(settings: "Settings", topic: str) -> str:
    """The default of a setting that has this name and is not by default so."""
    topics = ("submitted", "returned", "alerts", "dead_letters", "stats", "incidents", "silences")
    for name in (f"{each}_topic" for each in topics):
        field = type(settings).model_fields[name]
        if topic == getattr(settings, name) != field.default:
            return f"{field.validation_alias}={field.default}"
    return "RETURNWATCH_APP_ID=returnwatch"


def _verdict_problems(settings: "Settings") -> Iterator[str]:
    if settings.hold_s > settings.remember_s:
        yield (
            f"RETURNWATCH_HOLD_S must be at most RETURNWATCH_REMEMBER_S, {settings.remember_s}, not"
            f" {settings.hold_s}; for example RETURNWATCH_HOLD_S={settings.remember_s}."
        )
    if settings.rules is not None and "return_within_s" in settings.model_fields_set:
        yield (
            f"RETURNWATCH_RETURN_WITHIN_S={settings.return_within_s} has no say beside"
            f" RETURNWATCH_RULES; give the rules file a default with return_within_s ="
            f" {settings.return_within_s} and leave the variable out."
        )


def _login_problems(settings: "Settings") -> Iterator[str]:
    beside = f"is needed with KAFKA_SECURITY_PROTOCOL={settings.security_protocol}"
    if settings.sasl_mechanism is None:
        yield f"KAFKA_SASL_MECHANISM {beside}; for example KAFKA_SASL_MECHANISM=SCRAM-SHA-512."
    if settings.sasl_username is None:
        yield f"KAFKA_SASL_USERNAME {beside}; for example KAFKA_SASL_USERNAME=returnwatch."
    if settings.sasl_password is None and settings.sasl_password_file is None:
        yield (
            f"KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE {beside};"
            f" for example KAFKA_SASL_PASSWORD_FILE=/run/secrets/kafka-password."
        )


def _file_problems(settings: "Settings") -> Iterator[str]:
    if settings.ssl_keyfile is not None and settings.ssl_certfile is None:
        yield (
            "KAFKA_SSL_KEYFILE needs the certificate beside it;"
            " for example KAFKA_SSL_CERTFILE=/etc/returnwatch/client.pem."
        )
    if settings.sasl_password_file is None:
        return
    if settings.sasl_password is not None:
        yield "KAFKA_SASL_PASSWORD and KAFKA_SASL_PASSWORD_FILE are both set; leave one out."
    try:
        empty = not settings.sasl_password_text()
    except (OSError, UnicodeDecodeError):
        empty = True
    if empty:
        yield (
            f"KAFKA_SASL_PASSWORD_FILE must be a file with the password in UTF-8, not"
            f" {str(settings.sasl_password_file)!r}; for example made by"
            f' `printf %s "$PASSWORD" > kafka-password`.'
        )
