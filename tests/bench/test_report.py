"""The report made from raw values that stand here: table, JSON, picture, and what is reached."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.contestants import FLINK, OURS, STREAMS
from tests.bench.picture import draw
from tests.bench.race import Result
from tests.bench.report import Figure, Reach, Report, Section, shown
from tests.bench.standings import figures


def report() -> Report:
    delay = Figure("p99, busy", "ms", [120.0, 90.0, 200.0], Reach(150, at_most=True), [[1.0, 2.0]])
    rate = Figure("one core", "events/s", [86_000.0, 94_000.0], Reach(100_000))
    failed = Section("restore", "Restore", failed="KafkaMissing: no Java")
    sections = [Section("delay", "Delay", [delay, rate], raw={"per_s": 5_000}), failed]
    return Report("tests.bench", "2026-01-01T00:00:00+00:00", {"rounds": 3}, sections)


def ran(name: str, took_s: float, **more: object) -> Result:
    return Result(name, pinned=True, records=1_000, took_s=took_s, cpu_s=took_s, **more)


def test_the_json_holds_every_raw_value_beside_what_was_made_of_them() -> None:
    told = json.loads(json.dumps(report().as_json()))

    delay = told["sections"]["delay"]["figures"][0]
    assert delay["values"] == [120.0, 90.0, 200.0]
    assert (delay["min"], delay["median"], delay["max"]) == (90.0, 120.0, 200.0)
    assert delay["samples"] == [[1.0, 2.0]]
    assert delay["reach"] == {"value": 150, "at_most": True}
    assert delay["reached"] is True
    assert told["sections"]["delay"]["raw"] == {"per_s": 5_000}
    assert told["sections"]["restore"]["failed"] == "KafkaMissing: no Java"
    assert told["machine"]["cores"] >= 1


def test_the_table_says_what_is_not_reached_and_what_failed(capsys) -> None:
    report().print(Console(width=120))

    printed = capsys.readouterr().out
    assert "at most 150" in printed
    assert "NOT reached" in printed
    assert "Restore: KafkaMissing: no Java" in printed


@pytest.mark.parametrize("name", ["report.png", "report.svg"])
def test_the_picture_is_a_file_of_the_kind_its_name_says(name: str, tmp_path: Path) -> None:
    draw(report(), tmp_path / name)

    begin = (tmp_path / name).read_bytes()[:200]
    assert begin.startswith(b"\x89PNG") or b"svg" in begin or b"<?xml" in begin


def test_there_is_no_picture_of_nothing(tmp_path: Path) -> None:
    draw(Report("tests.bench", "", {}, [Section("delay", "Delay")]), tmp_path / "report.png")

    assert list(tmp_path.iterdir()) == []


def test_ratios_are_of_the_same_round_and_leave_out_the_rounds_that_failed() -> None:
    results = [
        *(ran(OURS, 1.0), ran(STREAMS, 2.0), ran(FLINK, 0.5)),
        *(ran(OURS, 4.0), ran(STREAMS, 2.0), ran(FLINK, 0.0, failed="ended with 1")),
    ]

    found = {(figure.name, figure.unit): figure for figure in figures(results)}
    beside = found["events/s, one core, of those of Kafka Streams, memory", "times"]
    flink = found["events/s, one core, of those of Flink, heap, exactly once", "times"]
    assert beside.values == [2.0, 0.5]
    assert beside.verdict() == "NOT reached"
    assert flink.values == [0.5]


@pytest.mark.parametrize(
    "value, text",
    [(86_412.4, "86,412"), (247.0, "247"), (11.34, "11.3"), (1.534, "1.53"), (0.0, "0")],
)
def test_a_value_is_shown_with_the_digits_it_is_worth(value: float, text: str) -> None:
    assert shown(value) == text
