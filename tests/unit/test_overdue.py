"""How often overdue orders are counted."""

import time

import pytest

from streams.core.book import Book
from streams.overdue import COST_RATIO_MAX, OverdueOrders


class SlowBook(Book):
    """Counts how often it was asked; each count takes a while."""

    asked = 0

    def overdue(self, now_ms: int, limit: int) -> tuple[int, int]:
        self.asked += 1
        time.sleep(0.002)
        return self.asked, now_ms


def test_a_count_that_took_long_is_given_again_until_it_has_paid_off() -> None:
    book, overdue = SlowBook(remember_ms=1_000), OverdueOrders()

    found = [overdue.look(book, 1_000, partitions=1) for _ in range(10)]

    assert found == [(1, 1_000)] * 10
    assert book.asked == 1


def test_it_is_counted_anew_when_counting_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    book, overdue = SlowBook(remember_ms=1_000), OverdueOrders()
    overdue.look(book, 1_000, partitions=1)

    later_s = time.monotonic() + 1 / COST_RATIO_MAX
    monkeypatch.setattr(time, "monotonic", lambda: later_s)

    assert overdue.look(book, 2_000, partitions=1) == (2, 2_000)


def test_partitions_share_what_counting_may_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    book, overdue = SlowBook(remember_ms=1_000), OverdueOrders()
    now_s = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    monkeypatch.setattr(book, "overdue", lambda _now_ms, _limit: _passes_s(0.01))

    def _passes_s(took_s: float) -> tuple[int, int]:
        nonlocal now_s
        now_s += took_s
        book.asked += 1
        return book.asked, 0

    overdue.look(book, 1_000, partitions=8)
    now_s += 7 * 0.01 / COST_RATIO_MAX
    before = overdue.look(book, 1_000, partitions=8)
    now_s += 0.01 / COST_RATIO_MAX
    after = overdue.look(book, 1_000, partitions=8)

    assert (before, after) == ((1, 0), (2, 0))
