"""How soon a process that ended is started again, and when it is not."""

from streams.restarts import DELAY_MAX_S, ENDS_MAX, WINDOW_S, Restarts


def test_each_start_in_a_row_waits_twice_as_long() -> None:
    restarts = Restarts()

    assert [restarts.delay_s(float(now_s)) for now_s in range(5)] == [1, 2, 4, 8, 16]
    assert restarts.total == 5


def test_a_process_that_ends_too_often_is_not_started_again() -> None:
    restarts = Restarts()
    for now_s in range(ENDS_MAX):
        restarts.delay_s(float(now_s))

    assert restarts.delay_s(WINDOW_S - 1) is None
    assert restarts.total == ENDS_MAX


def test_ends_that_lie_far_apart_are_each_the_first() -> None:
    restarts = Restarts()

    assert [restarts.delay_s(number * WINDOW_S) for number in range(20)] == [1] * 20


def test_no_wait_is_longer_than_its_limit() -> None:
    restarts = Restarts()
    delays = [restarts.delay_s(number * WINDOW_S / ENDS_MAX) for number in range(100)]

    assert all(delay is not None and delay <= DELAY_MAX_S for delay in delays)
