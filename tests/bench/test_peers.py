"""The peers without running them: that they are who they say, and how a result is judged."""

import re

import pytest

from tests.bench.compare import Settings
from tests.bench.contestants import CONTESTANTS, FLINK, NAMES, OURS, STREAMS
from tests.bench.peers.build import MODULES, SOURCES, source_files
from tests.bench.race import Result, last_told
from tests.broker.jars import kafka_version

POMS = [SOURCES / "pom.xml", *(SOURCES / module / "pom.xml" for module in MODULES)]


def result(**alerts: int) -> Result:
    return Result("streams", pinned=False, records=100, alerts=alerts)


def test_kafka_streams_is_of_the_brokers_version() -> None:
    assert f"<kafka.version>{kafka_version()}</kafka.version>" in POMS[0].read_text()


@pytest.mark.parametrize("pom", POMS, ids=lambda pom: pom.parent.name)
def test_every_version_is_pinned_in_one_place(pom) -> None:
    versions = re.findall(r"<version>(.+?)</version>", pom.read_text())
    properties = {*re.findall(r"<([\w.]+\.version)>", POMS[0].read_text()), "project.version"}

    names = {name[2:-1] for name in versions if name.startswith("${")}
    plain = [version for version in versions if not version.startswith("${")]

    assert names <= properties
    assert [version for version in plain if not re.fullmatch(r"\d+(\.\d+)*", version)] == []


def test_every_java_file_belongs_to_a_module_that_is_built() -> None:
    built = {path for path in source_files() if path.suffix == ".java"}

    assert built == set(SOURCES.rglob("*.java"))


def test_every_contestant_has_a_name_of_its_own_and_the_references_are_among_them() -> None:
    assert len(set(NAMES)) == len(CONTESTANTS)
    assert {OURS, STREAMS, FLINK} <= set(NAMES)


def test_by_default_everybody_takes_part() -> None:
    assert [contestant.name for contestant in Settings().contestants()] == list(NAMES)


@pytest.mark.parametrize(
    "alerts, right",
    [
        ({}, True),  # It only reads.
        ({"expected": 2, "right": 2, "twice": 0, "wrong": 0}, True),
        ({"expected": 2, "right": 1, "twice": 0, "wrong": 0}, False),
        ({"expected": 2, "right": 2, "twice": 1, "wrong": 0}, False),
        ({"expected": 2, "right": 2, "twice": 0, "wrong": 1}, False),
    ],
)
def test_a_result_is_right_with_every_alert_once_and_no_other(
    alerts: dict[str, int], right: bool
) -> None:
    assert result(**alerts).is_right is right


def test_what_flink_has_committed_is_the_newest_whole_line_of_its_kind() -> None:
    assert last_told("reading\ncommitted 10\ncommitted 200\ncommitted 30") == 200
    assert last_told("reading\n[main] WARN committed 7 of nothing\n") == 0
