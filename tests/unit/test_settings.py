"""Settings: read from the environment and `.env`, checked whole, wrong ones told in sentences."""

import os
import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from streams.settings import FIELDS, Settings, SettingsError, load_settings
from streams.settings_problems import right_of
from streams.settings_table import MASK, Described, described

SASL = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "watch",
    "KAFKA_SASL_PASSWORD": "hunter2",
}


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The current folder, empty, and an environment without any setting."""
    for name in list(os.environ):
        if name.upper().startswith(("KAFKA_", "RETURNWATCH_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


def problems(**overrides: Any) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(**overrides)
    assert caught.value.__cause__ is None
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def row(settings: Settings, variable: str) -> Described:
    return next(row for row in described(settings) if row.variable == variable)


# Where settings come from


def test_without_any_setting_the_defaults_stand() -> None:
    settings = load_settings()

    assert settings.kafka_client_options() == {
        "bootstrap_servers": ["localhost:9092"],
        "client_id": "returnwatch",
        "security_protocol": "PLAINTEXT",
    }
    assert settings.changelog_topic == "returnwatch-changelog"
    assert (settings.return_within_ms, settings.grace_ms) == (30_000, 1_000)
    assert (settings.hold_ms, settings.remember_ms) == (60_000, 600_000)
    assert settings.start_at_ms == "earliest"
    assert {row.source for row in described(settings)} == {"default"}
    assert all(row.value == row.default for row in described(settings))


def test_the_environment_wins_over_the_file_and_an_argument_over_both(
    folder: Path, environment: Any
) -> None:
    (folder / ".env").write_text(
        "RETURNWATCH_APP_ID=file\nRETURNWATCH_HOLD_S=7\nexport RETURNWATCH_GRACE_S='2.5' # s\n"
    )
    environment(RETURNWATCH_APP_ID="environment", RETURNWATCH_HOLD_S="8")

    settings = load_settings(app_id="argument")

    assert (settings.app_id, settings.hold_ms, settings.grace_ms) == ("argument", 8_000, 2_500)
    assert row(settings, "RETURNWATCH_APP_ID").source == "argument"
    assert row(settings, "RETURNWATCH_HOLD_S").source == "environment"
    assert row(settings, "RETURNWATCH_GRACE_S").source == ".env"
    assert row(settings, "RETURNWATCH_GRACE_S").value == "2.5"
    assert row(settings, "RETURNWATCH_REMEMBER_S").source == "default"


def test_an_empty_value_counts_as_not_set(folder: Path, environment: Any) -> None:
    (folder / ".env").write_text("RETURNWATCH_RULES=\n")
    environment(RETURNWATCH_HOLD_S="")

    settings = load_settings()

    assert (settings.rules, settings.hold_ms) == (None, 60_000)
    assert row(settings, "RETURNWATCH_HOLD_S").source == "default"


def test_a_file_with_a_mark_of_windows_is_read(folder: Path) -> None:
    (folder / ".env").write_bytes(b"\xef\xbb\xbfRETURNWATCH_APP_ID=marked\r\n")

    assert load_settings().app_id == "marked"


def test_a_variable_with_the_name_of_an_attribute_is_no_setting(environment: Any) -> None:
    environment(app_id="stray", log_level="bogus")

    assert load_settings().app_id == "returnwatch"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().app_id = "other"


# One wrong value


@pytest.mark.parametrize(
    "variable, value",
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092,"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:0"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:65536"),
        ("KAFKA_BOOTSTRAP_SERVERS", "PLAINTEXT://a:9092"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI"),
        ("KAFKA_SASL_PASSWORD_FILE", "missing"),
        ("KAFKA_SSL_CAFILE", "missing"),
        ("KAFKA_SSL_KEYFILE", "."),
        ("RETURNWATCH_APP_ID", "order watch"),
        ("RETURNWATCH_APP_ID", "a" * 240),
        ("RETURNWATCH_ALERTS_TOPIC", ".."),
        ("RETURNWATCH_ALERTS_TOPIC", "a" * 250),
        ("RETURNWATCH_ALERTS_TOPIC", "alerts\n"),
        ("RETURNWATCH_RETURN_WITHIN_S", "0"),
        ("RETURNWATCH_RETURN_WITHIN_S", "2592000.001"),
        ("RETURNWATCH_GRACE_S", "0.099"),
        ("RETURNWATCH_GRACE_S", "0.0001"),
        ("RETURNWATCH_GRACE_S", "nan"),
        ("RETURNWATCH_HOLD_S", "60s"),
        ("RETURNWATCH_REMEMBER_S", "Infinity"),
        ("RETURNWATCH_START_AT", "yesterday"),
        ("RETURNWATCH_START_AT", "2026-01-01T00:00:00"),
        ("RETURNWATCH_ACCEPT_CREATE_TIME", "maybe"),
        ("RETURNWATCH_ACCEPT_PARTITIONERS", "2"),
        ("RETURNWATCH_RULES", "missing.toml"),
        ("RETURNWATCH_CHECKPOINT_INTERVAL_S", "0"),
        ("RETURNWATCH_CHECKPOINT_INTERVAL_S", "inf"),
        ("RETURNWATCH_WEB_HOST", "http://x"),
        ("RETURNWATCH_WEB_PORT", "65536"),
        ("RETURNWATCH_LOG_LEVEL", "trace"),
        ("RETURNWATCH_LOG_FORMAT", "xml"),
        ("RETURNWATCH_BROKER_TIMEOUT_S", "nan"),
    ],
)
def test_a_wrong_value_is_told_with_its_name_the_value_and_a_right_one(
    environment: Any, variable: str, value: str
) -> None:
    environment(**{variable: value})

    (problem, *more) = problems()

    assert problem.startswith(f"{variable} must be ")
    assert repr(value)[:70] in problem
    assert f"; for example {variable}=" in problem
    assert "\n" not in problem
    assert len(problem) < 400
    assert more == []


@pytest.mark.parametrize("variable", FIELDS)
def test_the_example_in_a_sentence_is_a_right_value(variable: str) -> None:
    right = right_of(FIELDS[variable])
    if right is None or right.example.startswith("/etc/"):
        return

    field = FIELDS[variable]
    kind: Any = TypeAdapter(field.rebuild_annotation())
    kind.validate_python(right.example)


@pytest.mark.parametrize(
    "variable, value, attribute, read",
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1, [::1]:9092", "bootstrap_servers", "a:1,[::1]:9092"),
        ("KAFKA_SECURITY_PROTOCOL", "plaintext", "security_protocol", "PLAINTEXT"),
        ("RETURNWATCH_RETURN_WITHIN_S", "0.001", "return_within_ms", 1),
        ("RETURNWATCH_RETURN_WITHIN_S", "2592000", "return_within_ms", 2_592_000_000),
        ("RETURNWATCH_GRACE_S", "0.29", "grace_ms", 290),
        ("RETURNWATCH_START_AT", "latest", "start_at_ms", "latest"),
        ("RETURNWATCH_START_AT", "2026-01-01T00:00:00Z", "start_at_ms", 1_767_225_600_000),
        ("RETURNWATCH_ACCEPT_CREATE_TIME", "TRUE", "accept_create_time", True),
        ("RETURNWATCH_CHECKPOINT_INTERVAL_S", "0.5", "checkpoint_interval_s", 0.5),
        ("RETURNWATCH_WEB_PORT", "0", "web_port", 0),
        ("RETURNWATCH_LOG_LEVEL", "DEBUG", "log_level", "debug"),
    ],
)
def test_a_right_value_is_read(
    environment: Any, variable: str, value: str, attribute: str, read: object
) -> None:
    environment(**{variable: value})

    assert getattr(load_settings(), attribute) == read


def test_all_problems_are_told_at_once(folder: Path, environment: Any) -> None:
    (folder / ".env").write_text("RETURNWATCH_GRACE=1\n")
    environment(RETURNWATCH_HOLD_S="x", RETURNWATCH_WEB_PORT="y", RETURNWATCH_HODL_S="1")

    assert [problem.split()[0] for problem in problems()] == [
        "RETURNWATCH_HODL_S",
        "RETURNWATCH_GRACE",
        "RETURNWATCH_HOLD_S",
        "RETURNWATCH_WEB_PORT",
    ]


# Names and files


def test_an_unknown_name_is_told_with_the_one_that_was_meant(environment: Any) -> None:
    environment(RETURNWATCH_GRACE_MS="1", returnwatch_app_id="x", RETURNWATCH_QQQ="1")

    assert problems() == (
        "RETURNWATCH_GRACE_MS in the environment is not a setting;"
        " did you mean RETURNWATCH_GRACE_S?",
        "RETURNWATCH_QQQ in the environment is not a setting; `returnwatch config` lists them all.",
        "returnwatch_app_id in the environment is not a setting; did you mean RETURNWATCH_APP_ID?",
    )


def test_an_unknown_kafka_name_is_wrong_in_the_file_and_ignored_in_the_environment(
    folder: Path, environment: Any
) -> None:
    environment(KAFKA_HEAP_OPTS="-Xmx1g", KAFKA_BOOTSTRAP_SERVER="a:1")
    assert load_settings().bootstrap_servers == "localhost:9092"

    (folder / ".env").write_text("KAFKA_BOOTSTRAP_SERVER=a:1\nCOMPOSE_PROJECT_NAME=x\n")
    assert problems() == (
        "KAFKA_BOOTSTRAP_SERVER in .env is not a setting; did you mean KAFKA_BOOTSTRAP_SERVERS?",
    )


def test_names_of_the_tests_and_of_kubernetes_are_ignored(folder: Path, environment: Any) -> None:
    (folder / ".env").write_text("RETURNWATCH_TEST_BOOTSTRAP=a:1\n")
    environment(
        RETURNWATCH_TEST_BOOTSTRAP="a:1",
        RETURNWATCH_KAFKA_CACHE="/tmp",
        RETURNWATCH_SERVICE_HOST="10.0.0.1",
        RETURNWATCH_SERVICE_PORT_HTTP="6066",
        RETURNWATCH_PORT="tcp://10.0.0.1:6066",
        RETURNWATCH_PORT_6066_TCP_ADDR="10.0.0.1",
    )

    assert load_settings().app_id == "returnwatch"


def test_a_port_that_is_not_of_kubernetes_is_unknown(environment: Any) -> None:
    environment(RETURNWATCH_PORT="6066")

    assert problems()[0].endswith("did you mean RETURNWATCH_WEB_PORT?")


@pytest.mark.parametrize("line", ["RETURNWATCH_APP_ID", "RETURNWATCH_APP_ID = 'open", "two words"])
def test_a_line_that_says_nothing_is_told_by_its_number(
    folder: Path, line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / ".env").write_text(f"# settings\n\n{line}\n")

    assert problems() == ("Line 3 of .env is not NAME=value; for example RETURNWATCH_GRACE_S=1.",)
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_not_text_is_told(folder: Path) -> None:
    (folder / ".env").write_bytes(b"KAFKA_SASL_PASSWORD=\xff\n")

    assert problems() == (
        "The file .env in this folder is not UTF-8; write it anew or take it away.",
    )


def test_a_folder_of_that_name_is_told(folder: Path) -> None:
    (folder / ".env").mkdir()

    assert problems() == (
        "The file .env in this folder is a folder; write it anew or take it away.",
    )


@pytest.mark.parametrize(
    "value, reason",
    [
        (".", "it is a folder"),
        ("/dev/null", "it is no regular file"),
        ("x" * 300, "File name too long"),
        ("file/below", "Not a directory"),
        ("loop", "Too many levels of symbolic links"),
    ],
)
@pytest.mark.parametrize("variable", ["RETURNWATCH_RULES", "KAFKA_SSL_CAFILE"])
def test_a_path_that_is_no_file_is_told_with_the_reason(
    folder: Path, environment: Any, variable: str, *, value: str, reason: str
) -> None:
    (folder / "file").touch()
    (folder / "loop").symlink_to("loop")
    environment(**{variable: value})

    (problem,) = problems()
    assert problem.startswith(f"{variable} must be a file that exists, not '{value[:70]}")
    assert f" ({reason}); for example " in problem


# Settings that have to agree


@pytest.mark.parametrize(
    "variable, topic",
    [
        ("RETURNWATCH_RETURNED_TOPIC", "order-submitted"),
        ("RETURNWATCH_DEAD_LETTERS_TOPIC", "order-alerts"),
        ("RETURNWATCH_ALERTS_TOPIC", "order-returned"),
        ("RETURNWATCH_SUBMITTED_TOPIC", "returnwatch-changelog"),
    ],
)
def test_no_two_topics_are_the_same(environment: Any, variable: str, topic: str) -> None:
    environment(**{variable: topic})

    (problem,) = problems()
    assert variable in problem
    assert f" must be unlike, both are {topic!r}; for example {variable}=" in problem
    name, _, default = problem.rpartition("for example ")[2].rstrip(".").partition("=")
    environment(**{name: default})
    load_settings()


def test_two_topics_that_are_the_same_are_both_named(environment: Any) -> None:
    environment(RETURNWATCH_SUBMITTED_TOPIC="order-alerts")

    assert problems() == (
        "RETURNWATCH_SUBMITTED_TOPIC and RETURNWATCH_ALERTS_TOPIC must be unlike, both are "
        "'order-alerts'; for example RETURNWATCH_SUBMITTED_TOPIC=order-submitted.",
    )


def test_hold_is_at_most_remember(environment: Any) -> None:
    environment(RETURNWATCH_HOLD_S="10.5", RETURNWATCH_REMEMBER_S="10")

    assert problems() == (
        "RETURNWATCH_HOLD_S must be at most RETURNWATCH_REMEMBER_S, 10, not 10.5;"
        " for example RETURNWATCH_HOLD_S=10.",
    )


def test_a_rules_file_and_a_return_within_exclude_each_other(
    folder: Path, environment: Any
) -> None:
    (folder / "rules.toml").touch()
    environment(RETURNWATCH_RULES="rules.toml")
    assert load_settings().rules == Path("rules.toml")

    environment(RETURNWATCH_RETURN_WITHIN_S="30")
    (problem,) = problems()
    assert "RETURNWATCH_RULES" in problem


@pytest.mark.parametrize("missing", [name for name in SASL if name.startswith("KAFKA_SASL")])
def test_a_login_needs_mechanism_username_and_password(environment: Any, missing: str) -> None:
    environment(**{name: value for name, value in SASL.items() if name != missing})

    (problem,) = problems()
    assert problem.startswith(missing)
    assert "KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT" in problem


def test_two_passwords_are_one_too_many(folder: Path, environment: Any) -> None:
    (folder / "password").write_text("hunter2")
    environment(**SASL, KAFKA_SASL_PASSWORD_FILE="password")

    assert problems() == (
        "KAFKA_SASL_PASSWORD and KAFKA_SASL_PASSWORD_FILE are both set; leave one out.",
    )


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\xff"])
def test_a_password_file_holds_a_password(folder: Path, environment: Any, content: bytes) -> None:
    (folder / "password").write_bytes(content)
    environment(KAFKA_SASL_PASSWORD_FILE="password")

    (problem,) = problems()
    assert problem.startswith("KAFKA_SASL_PASSWORD_FILE must be a file with the password in UTF-8")


def test_a_key_needs_its_certificate(folder: Path, environment: Any) -> None:
    (folder / "key.pem").touch()
    environment(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_KEYFILE="key.pem")

    (problem,) = problems()
    assert problem.startswith("KAFKA_SSL_KEYFILE needs the certificate")


# What Kafka clients are told, and what nobody is told


def test_clients_log_in_with_the_password(environment: Any) -> None:
    environment(**SASL)

    options = load_settings().kafka_client_options()

    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert options["sasl_plain_username"] == "watch"
    assert options["sasl_plain_password"] == "hunter2"
    assert "ssl_context" not in options


def test_a_password_file_loses_its_line_end_and_nothing_else(
    folder: Path, environment: Any
) -> None:
    (folder / "password").write_bytes(" höm \r\n".encode())
    environment(**SASL | {"KAFKA_SASL_PASSWORD": "", "KAFKA_SASL_PASSWORD_FILE": "password"})

    assert load_settings().kafka_client_options()["sasl_plain_password"] == " höm "


def test_a_password_file_that_went_away_is_a_sentence(folder: Path, environment: Any) -> None:
    (folder / "password").write_text("hunter2")
    environment(**SASL | {"KAFKA_SASL_PASSWORD": "", "KAFKA_SASL_PASSWORD_FILE": "password"})
    settings = load_settings()
    (folder / "password").unlink()

    with pytest.raises(SettingsError, match="cannot be read any more"):
        settings.kafka_client_options()


def test_ssl_checks_the_brokers_name_and_certificate(environment: Any) -> None:
    environment(KAFKA_SECURITY_PROTOCOL="SSL")

    context = load_settings().kafka_client_options()["ssl_context"]

    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_certificate_that_does_not_load_is_a_sentence(folder: Path, environment: Any) -> None:
    (folder / "ca.pem").write_text("no certificate")
    environment(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_CAFILE="ca.pem")
    settings = load_settings()

    with pytest.raises(SettingsError, match="must be PEM files"):
        settings.kafka_client_options()


def test_no_secret_is_ever_shown(folder: Path, environment: Any) -> None:
    (folder / ".env").write_text("KAFKA_SASL_PASSWORD=hunter2\n")
    settings = load_settings()
    assert "hunter2" not in f"{settings!r}{described(settings)}"
    assert row(settings, "KAFKA_SASL_PASSWORD").value == MASK

    environment(KAFKA_SECURITY_PROTOCOL="SASL_SSL", RETURNWATCH_HOLD_S="x")
    assert "hunter2" not in "".join(problems())
    assert "hunter2" not in "".join(problems(sasl_password=b"hunter2\xff", hold_s="x"))
