"""The loads and figures of the growth measurements, small and without a broker."""

from tests.bench.flood import Flood, Look
from tests.bench.growth import _of_core
from tests.bench.restart import _restore_s
from tests.bench.steady import BATCH_ORDERS, _returned, measure


def test_as_many_results_come_as_orders_were_opened_each_once_but_for_the_lost() -> None:
    orders = 2 * BATCH_ORDERS

    back = [new.key for batch in (2, 3) for new in _returned(batch, orders)]

    assert len(back) == len(set(back)) == orders * 99 // 100


def test_while_events_are_measured_as_many_orders_stay_open() -> None:
    found = measure(BATCH_ORDERS, 60 * BATCH_ORDERS, remember_ms=1_000)

    assert found.events == 30 * (BATCH_ORDERS + BATCH_ORDERS * 99 // 100)
    assert found.cpu_s > 0
    assert found.alerts > 0


def test_growth_is_told_against_the_smallest_of_the_same_round() -> None:
    run = {"events": 1_000_000, "steps_ms": [9.0], "bytes_an_order": 250.0, "put_back_s": 1.0}
    found = {
        10_000: [run | {"cpu_s": 8.0}, run | {"cpu_s": 10.0}],
        5_000_000: [run | {"cpu_s": 16.0}, run | {"cpu_s": 12.0}],
    }

    figures = {(figure.name, figure.unit): figure for figure in _of_core(found)}
    grown = figures["5,000,000 open, of 10,000", "times"]
    assert grown.values == [2.0, 1.2]
    assert grown.verdict() == "NOT reached"
    assert figures["10,000 open", "us CPU an event"].values == [8.0, 10.0]


def test_a_flood_tells_how_reading_went_on_in_its_slowest_second() -> None:
    looks = [Look(0.0, 100, 0), Look(1.0, 2_100, 10), Look(2.0, 2_600, 50), Look(4.0, 6_600, 100)]
    flood = Flood(100, looks, back_ms=3)

    assert flood.alerts_per_s == 25
    assert flood.read_per_s == 1_625
    assert flood.slowest_read_per_s == 500


def test_a_restore_lasts_from_the_assignment_to_the_last_partition_taken_over() -> None:
    told = "\n".join(
        (
            '{"event": "partitions assigned", "new": [], "timestamp": "2026-01-01T00:00:00Z"}',
            '{"event": "partitions assigned", "new": [0], "timestamp": "2026-01-01T00:00:01Z"}',
            '{"event": "partition taken over", "timestamp": "2026-01-01T00:00:02Z"}',
            '{"event": "partition taken over", "timestamp": "2026-01-01T00:00:03.500000Z"}',
            "not of the log",
        )
    )

    assert _restore_s(told) == 2.5
