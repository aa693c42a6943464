"""The clusters of the fault scenarios: of their own, because their brokers are stopped."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.broker.jars import KafkaMissing, kafka_jars
from tests.faults.arena import Arena, broker_on_a_small_disk, lone_broker, three_brokers
from tests.faults.disk import NoDisk
from tests.faults.nursery import Nursery
from tests.faults.summary import ROWS, keep, table


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash.get(ROWS, [])
    if not rows:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(table(rows))
    if config.getoption("summary"):
        keep(rows, Path(config.getoption("summary")))


def skip_without_kafka() -> None:
    try:
        kafka_jars()
    except KafkaMissing as why:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"needs a Kafka of its own: {why}")


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as opened:
        yield opened


@pytest.fixture(scope="session")
def lone(nursery: Nursery) -> Iterator[Arena]:
    skip_without_kafka()
    with lone_broker(nursery) as arena:
        yield arena


@pytest.fixture(scope="session")
def trio(nursery: Nursery) -> Iterator[Arena]:
    skip_without_kafka()
    with three_brokers(nursery) as arena:
        yield arena


@pytest.fixture
def small_disk(nursery: Nursery) -> Iterator[Arena]:
    skip_without_kafka()
    with ExitStack() as stack:
        try:
            arena = stack.enter_context(broker_on_a_small_disk(nursery))
        except NoDisk as why:
            pytest.skip(f"needs a disk to fill: {why}")
        yield arena
