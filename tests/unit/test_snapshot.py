"""Snapshot files and their summary: what is refused, what is summed, how it looks."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console

from schemas.events import Submission
from streams import cli
from streams.commands import console, snapshot
from streams.core.packing import pack_fresh
from streams.investigate.open_orders import AGES, OpenOrders, age_group
from streams.investigate.open_rows import order_row
from streams.investigate.snapshot import SnapshotError, new_writer, read_snapshot, refuse_unwritable
from streams.investigate.snapshot_parts import About
from streams.investigate.taking import Taking
from streams.state.changelog import State
from tests.unit.charges import DUTY, START_MS, a_header

DIGEST: Final = DUTY.policy.digest()
ABOUT: Final = About("returnwatch", 4, "order-submitted", "order-returned", START_MS, "0.1.0")
ENDINGS: Final = (".jsonl", ".parquet")
either_form = pytest.mark.parametrize("ending", ENDINGS)


def packed(order_id: str, ago_ms: int = 0, **fields: Any) -> bytes:
    submission = Submission(order_id=order_id, submitted_at=START_MS - ago_ms, **fields)
    return pack_fresh(submission, 7, ("default", 2_000, "critical"), effect_ms=START_MS)


def a_state(*order_ids: str) -> State:
    header = replace(a_header(), orders=len(order_ids), frontier_ms=START_MS)
    orders = {order_id.encode(): packed(order_id) for order_id in order_ids}
    return State(header, orders, policies={DIGEST: DUTY.policy.text()})


def written(path: Path, *states: State) -> OpenOrders:
    with new_writer(path, ABOUT) as writer:
        taking = Taking(OpenOrders(START_MS), writer)
        for partition, state in enumerate(states):
            taking.add(partition, state)
    return taking.summary


def whole(path: Path) -> list[State]:
    states = [a_state(f"a-{number}", f"b-{number}") for number in range(ABOUT.partitions)]
    written(path, *states)
    return states


def refusal(path: Path) -> str:
    with pytest.raises(SnapshotError) as refused:
        read_snapshot(path)
    assert str(path) in str(refused.value)
    return str(refused.value)


# Files.


@either_form
def test_what_was_written_is_read_back_whole_or_in_part(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"open{ending}"
    states = whole(path)

    assert list(read_snapshot(path).states.values()) == states
    assert read_snapshot(path, {2}).states == {2: states[2]}
    assert read_snapshot(path).about == ABOUT


@either_form
def test_a_file_that_lacks_a_partition_is_refused(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"open{ending}"
    written(path, a_state("a"))

    assert "no whole snapshot" in refusal(path)


def test_a_line_that_is_missing_is_found_by_the_header(tmp_path: Path) -> None:
    path = tmp_path / "open.jsonl"
    whole(path)
    lines = path.read_text().splitlines(keepends=True)

    path.write_text("".join(lines[:-1]))

    assert "partition 3 is not all there" in refusal(path)


@either_form
def test_a_file_that_was_cut_is_refused(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"open{ending}"
    whole(path)
    content = path.read_bytes()

    for end in (0, 10, len(content) // 2, len(content) - 5):
        path.write_bytes(content[:end])
        assert "no whole snapshot" in refusal(path)


def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_text('{"alert_id": "x"}\n')

    assert "line 1 is not one of a snapshot" in refusal(path)


def test_a_file_of_another_version_says_which(tmp_path: Path) -> None:
    path = tmp_path / "open.jsonl"
    whole(path)
    path.write_text(path.read_text().replace('"format_version":1', '"format_version":9', 1))

    assert "has format version 9, this release reads 1" in refusal(path)


def test_a_file_that_is_not_there_or_ends_otherwise_is_one_sentence(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "none.jsonl")
    assert "ends in .parquet or .jsonl" in refusal(tmp_path / "open.csv")
    for path in (tmp_path / "no" / "open.jsonl", tmp_path / "open.csv"):
        with pytest.raises(SnapshotError):
            refuse_unwritable(path)


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    status = cli.run(["snapshot", "open.parquet"])

    (sentence,) = capsys.readouterr().err.splitlines()
    assert status == 2
    assert "type pip install pyarrow, or give a file that ends in .jsonl" in sentence


# The summary.


def summed(*rows: tuple[str, int, dict[str, Any]]) -> OpenOrders:
    summary = OpenOrders(START_MS)
    for order_id, ago_ms, fields in rows:
        order = packed(order_id, ago_ms, **fields)
        summary.add(order_row(0, order_id.encode(), order, at_ms=START_MS))
    return summary


def test_money_is_summed_by_currency_in_whole_minor_units_also_negative() -> None:
    most = 2**63 - 1
    summary = summed(
        ("a", 0, {"amount_minor": most, "currency": "EUR"}),
        ("b", 0, {"amount_minor": most, "currency": "EUR"}),
        ("c", 0, {"amount_minor": -5, "currency": "USD"}),
        ("d", 0, {}),
    )

    assert json.loads(snapshot.text_of(summary))["unanswered"]["amount_minor"] == {
        "EUR": {"open": 2 * most, "timed_out": 0},
        "USD": {"open": -5, "timed_out": 0},
    }


def test_ages_fall_into_groups_that_leave_nothing_out() -> None:
    assert [age_group(least_ms) for least_ms in AGES.values()] == list(AGES)
    assert [age_group(least_ms - 1) for least_ms in AGES.values()][1:] == list(AGES)[:-1]
    assert age_group(-1) == "under 10 s"


def shown(summary: OpenOrders, monkeypatch: pytest.MonkeyPatch, **how: Any) -> list[str]:
    page = io.StringIO()
    monkeypatch.setattr(console, "out", Console(file=page, soft_wrap=True, **how))
    monkeypatch.setattr(snapshot, "out", console.out)
    snapshot.show(summary)
    return page.getvalue().splitlines()


def test_in_a_pipe_a_row_is_a_line_however_long_and_nothing_breaks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    merchant = "m" * 62 + "\n\x1b"
    money = [
        (f"{code}-1", 0, {"amount_minor": 10**18, "currency": code, "merchant": merchant})
        for code in ("EUR", "JPY", "USD")
    ]

    lines = shown(summed(*money), monkeypatch, width=40)

    (row,) = [line for line in lines if "m" * 62 in line]
    assert row.startswith("m" * 62 + r"\n\x1b ")
    assert row.endswith(f"{10**18} EUR, {10**18} JPY, {10**18} USD")


def test_on_a_narrow_terminal_rows_are_folded_and_nothing_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [("a", 0, {"provider": "p" * 64, "amount_minor": 12_345_678, "currency": "EUR"})]

    lines = shown(summed(*rows), monkeypatch, width=50, force_terminal=True, color_system=None)

    tables = lines[1:]
    assert max(map(len, tables)) <= 50
    assert "".join(tables).count("p") >= 64
    assert "…" not in "".join(tables)


def test_the_largest_groups_are_shown_and_the_rest_is_summed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [(f"o-{number}", 0, {"provider": f"p-{number:02}"}) for number in range(13)]

    lines = shown(summed(*rows), monkeypatch, width=80)

    assert any(line.split()[:3] == ["3", "more", "3"] for line in lines), lines
    assert sum(line.startswith("p-") for line in lines) == 10
