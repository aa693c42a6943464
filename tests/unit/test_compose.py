"""docker-compose.yml and the Dockerfile, which cannot be run everywhere, read and checked."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.settings import FIELDS, load_settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("topics", "worker")
DOCKERFILE = (ROOT / "Dockerfile").read_text()

ours = pytest.mark.parametrize("name", OURS)


def instructions(keyword: str) -> list[str]:
    """The arguments of every instruction of that name, its continued lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{keyword} (.+)$", joined, flags=re.MULTILINE)


# The services


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_by_a_tag(name: str) -> None:
    assert re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+", SERVICES[name]["image"])


def test_the_broker_is_the_one_that_the_tests_run() -> None:
    pom = (ROOT / "tests" / "broker" / "pom.xml").read_text()
    (version,) = re.findall(r"<kafka.version>(.+)</kafka.version>", pom)

    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"


def test_our_image_has_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert {SERVICES[name]["image"] for name in OURS} == {f"returnwatch:{version}"}


@pytest.mark.parametrize(
    "name, words",
    [
        ("kafka", ["kafka-broker-api-versions.sh", "localhost:9092"]),
        ("worker", ["urllib", "/readyz", ":6066"]),
    ],
)
def test_what_goes_on_running_is_checked(name: str, words: list[str]) -> None:
    check = SERVICES[name]["healthcheck"]
    command = " ".join(check["test"])

    assert check["test"][0] == "CMD"
    assert all(word in command for word in words)
    assert {"interval", "timeout", "retries", "start_period"} <= check.keys()
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_the_check_of_the_worker_is_a_program() -> None:
    program, option, text = SERVICES["worker"]["healthcheck"]["test"][1:]

    assert (program, option) == ("python", "-c")
    compile(text, "healthcheck", "exec")


def test_the_broker_is_reached_from_inside_and_from_this_machine_only() -> None:
    broker = SERVICES["kafka"]
    advertised = broker["environment"]["KAFKA_ADVERTISED_LISTENERS"]

    assert advertised == "INSIDE://kafka:19092,HOST://localhost:9092"
    assert broker["ports"] == ["127.0.0.1:9092:9092"]
    assert broker["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_every_listener_of_the_broker_has_a_protocol() -> None:
    environment = SERVICES["kafka"]["environment"]
    listeners = {part.split("://")[0] for part in environment["KAFKA_LISTENERS"].split(",")}
    protocols = environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")

    assert listeners == {part.split(":")[0] for part in protocols}
    assert environment["KAFKA_INTER_BROKER_LISTENER_NAME"] in listeners
    assert environment["KAFKA_CONTROLLER_LISTENER_NAMES"] in listeners


def test_the_data_of_the_broker_outlives_it() -> None:
    broker = SERVICES["kafka"]
    (volume,) = broker["volumes"]
    name, _, folder = volume.partition(":")

    assert name in COMPOSE["volumes"]
    assert folder == broker["environment"]["KAFKA_LOG_DIRS"]


def test_topics_are_made_once_and_the_worker_waits_for_them() -> None:
    topics, worker = SERVICES["topics"], SERVICES["worker"]

    assert topics["command"] == ["topics", "create", "--partitions", "4"]
    assert topics["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    assert topics["restart"] == "no"
    assert worker["command"] == ["worker"]
    assert worker["depends_on"]["topics"] == {"condition": "service_completed_successfully"}


def test_the_worker_is_seen_on_this_machine_and_has_time_to_stop() -> None:
    worker = SERVICES["worker"]
    everywhere = "0.0.0.0"  # noqa: S104 - Inside a container, whose port is published on loopback.

    assert worker["ports"] == ["127.0.0.1:6066:6066"]
    assert worker["environment"]["RETURNWATCH_WEB_HOST"] == everywhere
    assert worker["stop_grace_period"] == "15s"


@ours
def test_every_variable_is_a_setting_with_a_right_value(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = SERVICES[name]["environment"]
    for variable in FIELDS:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(tmp_path)

    assert environment.keys() <= FIELDS.keys()
    assert load_settings().bootstrap_servers == "kafka:19092"


# The image


def test_the_image_runs_our_command_and_not_as_root() -> None:
    users = instructions("USER")

    assert instructions("ENTRYPOINT") == ['["returnwatch"]']
    assert len(users) == 1
    assert int(users[0]) > 0
    assert DOCKERFILE.index("\nUSER") > DOCKERFILE.rindex("\nFROM")


def test_the_image_is_a_pinned_slim_python_made_in_a_whole_one_which_has_a_compiler() -> None:
    first, last = instructions("FROM")

    assert first == f"{last.removesuffix('-slim')} AS build"
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim", last)  # A patch release: what runs is known.


def test_all_that_is_installed_was_checked_against_the_lock() -> None:
    steps = " ".join(instructions("RUN"))
    installs = re.findall(r"(?:\S+ )*\S*pip install [^&]*", steps)

    assert "pip download --require-hashes --only-binary :all: -r requirements.lock" in steps
    assert len(installs) == 1
    assert "PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels" in installs[0]


def test_what_is_copied_is_there_and_let_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    steps = [step for step in instructions("COPY") if "--from" not in step]
    copied = [word for step in steps for word in step.split()[:-1]]

    assert "*" in ignored
    assert "!.env" not in ignored
    for name in copied:
        assert (ROOT / name).exists()
        assert {f"!{name}", f"!{name}/"} & set(ignored)
