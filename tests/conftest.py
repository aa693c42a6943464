"""Fixtures for every test: the broker, names of one's own, workers that end with their test."""

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from tests.broker.source import Broker, open_broker
from tests.broker.topics import Names, delete_topics, new_names, topics_with_prefix
from tests.broker.worker import WorkerProcess

# Fixtures that start a broker: the shared one, and those that fault scenarios break.
BROKERS: Final = {"broker", "lone", "trio", "small_disk"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults", "the long run of fault scenarios: pytest -m faults")
    group.addoption("--rounds", type=int, default=0, help="scenarios of each family")
    group.addoption("--seed", type=int, help="of the first round; the others count on from it")
    group.addoption("--summary", metavar="FILE", help="keep the summary, as .json or .md")


def pytest_configure() -> None:
    # How long an example takes is the machine's business: a busy one is no failure.
    settings.register_profile("no deadline", deadline=None)
    settings.load_profile("no deadline")
    # A run that is terminated tidies up like one that is interrupted: brokers end, data goes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # In the background of a shell SIGINT is ignored, and every command a test starts would ignore
    # it as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    long_run = pytest.mark.skip(reason="the long run: pytest -m faults --rounds N")
    for item in items:
        if item.get_closest_marker("faults") and not config.getoption("rounds"):
            item.add_marker(long_run)
        if BROKERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("broker")


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    with open_broker() as opened:
        yield opened


@pytest.fixture(scope="session")
def bootstrap(broker: Broker) -> str:
    return broker.bootstrap


@pytest.fixture(autouse=True)
def _real_kafka_or_skip(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("real_kafka") is None:
        return
    missing = request.getfixturevalue("broker").missing
    if missing:
        pytest.skip(f"needs a real Kafka: {missing}")


@pytest.fixture
def names(broker: Broker) -> Iterator[Names]:
    """An app id and topic names that no other test has; the topics are not made yet."""
    made = new_names()
    yield made
    if not broker.ours:
        left = topics_with_prefix(broker.bootstrap, made.app_id)
        if left:
            delete_topics(broker.bootstrap, left)


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """`start_worker(env, *arguments)`: started, not yet ready; killed at the end of the test."""
    with ExitStack() as workers:

        def start(env: Mapping[str, str], arguments: Sequence[str] = ()) -> WorkerProcess:
            return workers.enter_context(WorkerProcess(env, tmp_path, arguments=arguments))

        yield start
