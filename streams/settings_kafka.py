"""The settings of how to reach the brokers, and what every Kafka client is told of them.

Owns how a setting is declared. The others stand in streams.settings, which has them all.
"""

from functools import partial
from ssl import SSLContext
from typing import Any, Final

from aiokafka.helpers import create_ssl_context
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams import settings_values as values
from streams.settings_problems import SettingsError
from streams.settings_sources import ENV_FILE

CLIENT_ID: Final = "returnwatch"


def setting(group: str, variable: str, default: Any, *, description: str) -> Any:
    """A field of the settings: its group in the documentation, its variable in the environment."""
    return Field(
        default,
        validation_alias=variable,
        description=description,
        json_schema_extra={"group": group},
    )


_kafka = partial(setting, "Kafka")


class KafkaSettings(BaseSettings):
    """How to reach the brokers; `kafka_client_options` makes of it what a client takes."""

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
