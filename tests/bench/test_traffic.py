"""The open-loop schedule: what is meant to be sent when, made without a broker."""

import pytest

from tests.bench.delay import percentiles
from tests.bench.load import order_id
from tests.bench.traffic import Traffic, _schedule

BEGIN_MS = 1_800_000_000_000


def traffic(**more: int) -> Traffic:
    fields = {"per_s": 400, "seconds": 2, "begin_ms": BEGIN_MS} | more
    return Traffic("", "submitted", "returned", **fields)


def test_the_rate_counts_the_records_of_both_topics() -> None:
    sends = [send for _, due in _schedule(traffic()) for send in due]

    assert len(sends) == pytest.approx(800, abs=2)


def test_a_result_is_meant_to_come_a_fixed_time_after_its_order() -> None:
    due_ms = {(topic, new.key): at for at, sends in _schedule(traffic()) for topic, new in sends}

    waits = {
        due_ms["returned", key] - due_ms["submitted", key]
        for topic, key in due_ms
        if topic == "returned"
    }
    assert waits == {1_000}


def test_the_lost_orders_are_those_that_never_get_a_result() -> None:
    it = traffic(lost_every=20, first_number=1_000)
    sends = [send for _, due in _schedule(it) for send in due]

    answered = {new.key.decode() for topic, new in sends if topic == "returned"}
    submitted = {new.key.decode() for topic, new in sends if topic == "submitted"}
    assert submitted - answered == it.lost()
    assert order_id(1_000) in it.lost()


def test_what_is_sent_tells_the_intended_time_whenever_it_is_sent() -> None:
    for due_ms, sends in _schedule(traffic()):
        for topic, new in sends:
            field = "submitted_at" if topic == "submitted" else "returned_at"
            assert f'"{field}": {due_ms}'.encode() in new.value


def test_percentiles_of_few_delays_stay_within_them() -> None:
    assert percentiles([3.0, 5.0]) == (4.0, pytest.approx(4.98))
