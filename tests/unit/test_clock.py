"""When the worker's clock may be relied on, and what is said while it may not."""

from dataclasses import dataclass, field
from typing import Final

import pytest

from streams.clock import SAMPLE_AGE_MAX_S, WorkerClock
from streams.state.ledger import Written

LIMIT_MS: Final = 500.0
START_MS: Final = 1_767_225_600_000


@dataclass(slots=True)
class Machine:
    """A worker's two clocks, beside a broker whose own is right: all of them set by hand."""

    now_s: float = 1_000.0  # The monotonic clock.
    ahead_ms: int = 0  # Of the broker, by the wall clock.
    clock: WorkerClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = WorkerClock(LIMIT_MS, wall_ms=self.wall_ms, monotonic_s=lambda: self.now_s)

    def broker_ms(self) -> int:
        return START_MS + round(self.now_s * 1_000)

    def wall_ms(self) -> int:
        return self.broker_ms() + self.ahead_ms

    def checkpoint(self, *, there_s: float = 0.001, back_s: float = 0.004) -> None:
        sent_s = self.now_s
        self.now_s += there_s
        told_ms = self.broker_ms()
        self.now_s += back_s
        self.clock.note(Written(told_ms, sent_s, self.now_s))


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_before_the_first_checkpoint_nothing_is_known_and_nothing_proven(machine: Machine) -> None:
    assert machine.clock.proof_ms() is None
    assert machine.clock.ahead_ms() is None
    assert "not known yet" in (machine.clock.doubt() or "")


@pytest.mark.parametrize("ahead_ms", [0, 400, -60_000])
def test_a_clock_within_half_of_the_grace_or_behind_is_relied_on(
    machine: Machine, ahead_ms: int
) -> None:
    machine.ahead_ms = ahead_ms

    machine.checkpoint()

    assert machine.clock.doubt() is None
    assert machine.clock.proof_ms() == machine.wall_ms()


def test_a_clock_further_ahead_is_not_and_the_sentence_says_how_far(machine: Machine) -> None:
    machine.ahead_ms = 700

    machine.checkpoint()

    assert machine.clock.proof_ms() is None
    assert "up to 704 ms ahead of the broker's, more than half of the grace (500 ms)" in (
        machine.clock.doubt() or ""
    )


def test_what_the_answer_took_counts_as_ahead_until_a_quicker_one_tells_better(
    machine: Machine,
) -> None:
    machine.checkpoint(back_s=0.9)
    slow = machine.clock.doubt()
    machine.checkpoint()
    quick = machine.clock.doubt()
    machine.checkpoint(back_s=0.9)

    assert slow is not None
    assert quick is None
    assert machine.clock.doubt() is None


@pytest.mark.parametrize("jump_ms", [501, -501, 3_600_000])
def test_after_a_jump_of_the_wall_clock_the_next_checkpoint_decides(
    machine: Machine, jump_ms: int
) -> None:
    machine.checkpoint()
    machine.ahead_ms += jump_ms
    jumped, proof_ms = machine.clock.doubt(), machine.clock.proof_ms()
    machine.checkpoint()

    assert f"was set by {jump_ms:+} ms" in (jumped or "")
    assert proof_ms is None
    assert (machine.clock.doubt() is None) == (jump_ms < 0)


def test_a_small_step_adds_to_what_is_known(machine: Machine) -> None:
    machine.ahead_ms = 300
    machine.checkpoint()
    before = machine.clock.doubt()
    machine.ahead_ms += 300

    assert before is None
    assert "up to 604 ms ahead" in (machine.clock.doubt() or "")


def test_an_old_answer_is_no_doubt_but_proves_nothing(machine: Machine) -> None:
    machine.checkpoint()
    machine.now_s += SAMPLE_AGE_MAX_S + 1

    assert machine.clock.doubt() is None
    assert machine.clock.proof_ms() is None


def test_a_broker_whose_clock_was_set_is_believed(machine: Machine) -> None:
    machine.checkpoint()
    sent_s = machine.now_s
    machine.now_s += 0.005
    machine.clock.note(Written(machine.broker_ms() - 2_000, sent_s, machine.now_s))

    assert machine.clock.ahead_ms() == pytest.approx(2_000, abs=2)
    assert machine.clock.proof_ms() is None


def test_a_time_that_is_not_the_brokers_tells_nothing(machine: Machine) -> None:
    machine.clock.note(Written(None, 0.0, 0.0))

    assert machine.clock.ahead_ms() is None


def test_where_a_broker_tells_no_time_the_wall_clock_is_taken(machine: Machine) -> None:
    clock = WorkerClock(None, wall_ms=machine.wall_ms, monotonic_s=lambda: machine.now_s)

    assert clock.doubt() is None
    assert clock.proof_ms() == machine.wall_ms()
