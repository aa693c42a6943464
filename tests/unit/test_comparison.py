"""Two sets of alerts: what is only in one of them, what is unlike, what is there twice."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.investigate.comparison import Change, Comparison, Differences


def alert(name: str, kind: str = "timed_out", **fields: Any) -> bytes:
    value = {
        "alert_id": name,
        "type": kind,
        "order_id": f"order-{name}",
        "attempt": 1,
        "amount_minor": None,
        "currency": None,
    }
    return orjson.dumps(value | fields)


def compared(folder: Path, before: list[bytes], after: list[bytes]) -> Differences:
    with Comparison(folder / "alerts.db") as comparison:
        comparison.take(0, before)
        comparison.take(1, after)
        return comparison.differences()


def test_the_same_alerts_in_another_order_do_not_differ(tmp_path: Path) -> None:
    alerts = [alert(str(number)) for number in range(2_500)]

    found = compared(tmp_path, alerts, alerts[::-1])

    assert not found.are_any
    assert found.sizes == (2_500, 2_500)


def test_what_is_only_in_one_is_added_or_removed_with_its_money(tmp_path: Path) -> None:
    euros = {"amount_minor": 250, "currency": "EUR"}
    gone = alert("gone", **euros)
    new = [alert(f"new-{number}", **euros) for number in range(12)]

    found = compared(tmp_path, [gone, alert("both")], [alert("both"), *new])

    assert (found.added.count, found.removed.count, found.changed.count) == (12, 1, 0)
    assert found.added.money == {("timed_out", "EUR"): 3_000}
    assert found.removed.first == [Change(gone, None)]
    assert len(found.added.first) == 10


def test_one_id_with_other_bytes_is_changed(tmp_path: Path) -> None:
    before, after = alert("a"), alert("a", rule="other")

    found = compared(tmp_path, [before], [after])

    assert found.changed.first == [Change(before, after)]
    assert found.added.count == found.removed.count == 0


def test_a_time_out_of_the_same_attempt_under_another_deadline_is_changed(tmp_path: Path) -> None:
    before = [alert("a", order_id="x"), alert("b", order_id="x", attempt=2)]
    after = [alert("c", order_id="x"), alert("d", "returned_late", order_id="x")]

    found = compared(tmp_path, before, after)

    assert found.changed.first == [Change(before[0], after[0])]
    assert found.removed.first == [Change(before[1], None)]
    assert found.added.first == [Change(None, after[1])]


def test_other_alerts_of_one_order_are_not_paired(tmp_path: Path) -> None:
    before = [alert("a", "unmatched_return", order_id="x")]
    after = [alert("b", "unmatched_return", order_id="x")]

    found = compared(tmp_path, before, after)

    assert (found.added.count, found.removed.count, found.changed.count) == (1, 1, 0)


def test_an_id_that_is_told_again_is_counted_once(tmp_path: Path) -> None:
    found = compared(tmp_path, [alert("a")], [alert("a"), alert("a"), alert("a")])

    assert found.repeated == (0, 2)
    assert not found.are_any


@pytest.mark.parametrize("value", [b"nonsense", b"[]", b"{}", b'{"type":"timed_out"}'])
def test_a_value_that_is_no_alert_is_refused(value: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r".+"):
        compared(tmp_path, [value], [])
