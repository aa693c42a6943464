"""What the metrics say of real charges."""

import pytest
from aiokafka import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from schemas.records import RETURNED, SUBMITTED, Record
from streams.incidents.keeper import Standing
from streams.takeover import RestoreProgress
from streams.web.metrics import Snapshot, render
from tests.unit.charges import RETURN_WITHIN_MS, START_MS, Clock, answer, new_charge, submit

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(snapshot: Snapshot) -> Samples:
    """Samples by name (without our prefix) and labels."""
    return {
        (sample.name.removeprefix("returnwatch_"), tuple(sorted(sample.labels.items()))): (
            sample.value
        )
        for family in text_string_to_metric_families(render(snapshot).decode())
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


@pytest.fixture
def samples() -> Samples:
    """Of partition 0: one order timed out, one open and overdue, one closed, one unreadable."""
    clock = Clock()
    charge = new_charge(clock)
    submit(charge, "lost", START_MS)
    submit(charge, "fine", START_MS)
    answer(charge, "fine", START_MS + 100)
    bad = Record(1, START_MS + 200, b"bad", b"{", ())
    charge.watch.feed(RETURNED, (1, 2), [bad])
    submit(charge, "overdue", START_MS + 1_000)
    clock.now_ms = START_MS + RETURN_WITHIN_MS + 500
    for side, end in ((SUBMITTED, 3), (RETURNED, 2)):
        charge.watch.sequence.prove(side, end, clock.now_ms)
    charge.work()
    charge.watch.page(charge.rhythm.instant())
    lags = dict.fromkeys(charge.tps, 7)
    return read(Snapshot([charge], {3: RestoreProgress(25, 100)}, lags, ["x"], START_MS + 5_000))


def test_they_count_what_was_read_decided_and_set_aside(samples: Samples) -> None:
    assert value(samples, "records_read_total", partition="0", topic="order-submitted") == 3
    assert value(samples, "records_read_total", partition="0", topic="order-returned") == 2
    assert value(samples, "verdicts_total", partition="0", type="timed_out") == 1
    assert value(samples, "verdicts_total", partition="0", type="conflicting_return") == 0
    assert value(samples, "dead_letters_total", partition="0") == 1


def test_they_show_the_orders_by_state_and_what_is_overdue(samples: Samples) -> None:
    assert value(samples, "orders", partition="0", state="open") == 1
    assert value(samples, "orders", partition="0", state="timed_out") == 1
    assert value(samples, "orders", partition="0", state="held") == 0
    assert value(samples, "closed_orders_remembered", partition="0") == 1
    assert value(samples, "overdue_orders", partition="0") == 1
    assert value(samples, "overdue_oldest_seconds", partition="0") == pytest.approx(2.0)
    assert value(samples, "frontier_age_seconds", partition="0") == pytest.approx(2.0)


def test_they_show_lag_holds_and_restores(samples: Samples) -> None:
    assert value(samples, "consumer_lag_records", partition="0", topic="order-returned") == 7
    assert value(samples, "verdicts_held", reason="x") == 1
    assert value(samples, "restore_progress_ratio", partition="3") == 0.25


def test_a_partition_at_rest_has_no_overdue_orders_and_no_age() -> None:
    samples = read(Snapshot([new_charge(Clock())], {}, {}, (), START_MS))

    assert value(samples, "overdue_orders", partition="0") == 0
    assert value(samples, "overdue_oldest_seconds", partition="0") == 0
    assert value(samples, "frontier_age_seconds", partition="0") == 0


def test_what_is_not_due_yet_gives_an_idle_partition_no_age() -> None:
    """Until the deadline, and while a closed order is remembered, there is nothing to decide."""
    charge = new_charge(Clock(START_MS + 10))
    submit(charge, "open", START_MS)
    submit(charge, "fine", START_MS + 1)
    answer(charge, "fine", START_MS + 1)

    def age(now_ms: int) -> float:
        samples = read(Snapshot([charge], {}, {}, (), now_ms))
        return value(samples, "frontier_age_seconds", partition="0")

    for side in (SUBMITTED, RETURNED):
        end = charge.watch.sequence.position(side)
        charge.watch.sequence.prove(side, end, START_MS + 2)
    charge.work()
    ages = [age(START_MS + ms) for ms in (2, RETURN_WITHIN_MS, RETURN_WITHIN_MS + 700)]

    assert ages == [0, 0, 0.7]


def test_the_owner_of_incidents_says_how_they_stand_and_others_that_they_are_not() -> None:
    standing = Standing(open=2, next_s=START_MS // 1_000 - 7, written=5)

    owner = read(Snapshot((), {}, {}, (), START_MS, standing))
    other = read(Snapshot((), {}, {}, (), START_MS))

    assert value(owner, "incidents_owner") == 1
    assert value(owner, "incidents_open") == 2
    assert value(owner, "incidents_behind_seconds") == pytest.approx(7)
    assert value(owner, "incidents_records_total") == 5
    assert [name for name, _ in other if name.startswith("incidents")] == ["incidents_owner"]
    assert value(other, "incidents_owner") == 0


def test_a_changelog_without_records_is_no_division_by_zero() -> None:
    samples = read(Snapshot((), {0: RestoreProgress()}, {TopicPartition("t", 0): 0}, (), 0))

    assert value(samples, "restore_progress_ratio", partition="0") == 0
