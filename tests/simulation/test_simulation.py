"""Several real workers, an in-memory Kafka, virtual time: no fault loses, repeats or invents an
alert, and the auditor that says so sees every break that is made on purpose.

    RETURNWATCH_SIM_SEED=4711 pytest tests/simulation      one seed, with its trace where it fails
    RETURNWATCH_SIM_SEEDS=20000 pytest tests/simulation    more of them
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final
from unittest.mock import patch

import pytest
from aiokafka import TopicPartition

from streams.clock import WorkerClock
from streams.core import compiled
from streams.core.book import Book
from streams.core.sequence import Sequence
from tests.property.feeder import ALERTS
from tests.simulation.clients import LogBounds
from tests.simulation.clock import VirtualLoop, virtual_time
from tests.simulation.log import Faults
from tests.simulation.world import Outcome, simulate

SEEDS: Final = int(os.environ.get("RETURNWATCH_SIM_SEEDS", "300"))
ONE_SEED: Final = os.environ.get("RETURNWATCH_SIM_SEED")
CHUNKS: Final = 10
BREAK_SEEDS_MAX: Final = 600  # Within so many seeds a break has to be seen.
TRACE_LINES: Final = 60


def seeds_of(chunk: int) -> range:
    """A tenth of the seeds, or the one that was asked for."""
    if ONE_SEED is not None:
        return range(int(ONE_SEED), int(ONE_SEED) + (chunk == 0))
    return range(chunk * SEEDS // CHUNKS, (chunk + 1) * SEEDS // CHUNKS)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_whatever_fails_every_alert_is_told_once_and_right(chunk: int) -> None:
    alerts = 0

    for seed in seeds_of(chunk):
        outcome = simulate(seed)
        assert outcome.findings.wrong == {}, story(seed, outcome)
        alerts += outcome.findings.alerts

    assert alerts > 0 or not seeds_of(chunk) or ONE_SEED is not None


def test_a_seed_gives_the_same_trace_again() -> None:
    first, second = simulate(7), simulate(7)

    assert first.trace == second.trace
    assert first.findings == second.findings
    assert len(first.trace) > 100


def test_the_seeds_meet_every_kind_of_fault() -> None:
    met = {
        word
        for seed in range(30)
        for _, who, what, detail in simulate(seed).trace
        for word in (what, detail, *what.split()[:1])
    }

    assert {"is killed", "is frozen", "goes on", "lost", "unanswered", "Lost", "Busy"} <= met
    assert {"Rebalancing", "UnknownMember", "LedgerError", "BrokerUnavailable", "restore"} <= met


def test_virtual_time_takes_no_time() -> None:
    loop = VirtualLoop()
    began_s = time.monotonic()

    with virtual_time(loop):
        loop.run_until_complete(_an_hour())
    loop.close()

    assert loop.now_s == 3_600
    assert time.monotonic() - began_s < 5


# Breaks made on purpose: each has to turn the auditor red.


def prove_always(self: Sequence, side: int, high_watermark: int, to_ms: int) -> bool:
    """A proof that does not ask whether the position has reached the end."""
    of = self._sides[side]
    of.proven_ms = max(of.proven_ms, to_ms)
    return True


async def ask_the_high_watermark(
    self: LogBounds, tps: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Where replication stands, which may be behind records that have their time already."""
    wanted = list(tps)
    ends = {tp: self._log.of(tp).high_watermark for tp in wanted}
    return await self._answered("ends", lambda: {tp: end() for tp, end in ends.items()})


@contextmanager
def nothing_is_proven() -> Iterator[None]:
    """In Python, because what is compiled cannot be broken from outside."""
    with patch.object(compiled, "lane", None), patch.object(Sequence, "prove", prove_always):
        yield


@contextmanager
def nothing_patched() -> Iterator[None]:
    """The product as it is; the broker is what is broken."""
    yield


BREAKS: Final[dict[str, tuple[Callable[[], AbstractContextManager[Any]], Faults, set[str]]]] = {
    "a frontier that is not proven": (
        nothing_is_proven,
        Faults(),
        {"false", "different"},
    ),
    "a proof by the high watermark": (
        lambda: patch.object(LogBounds, "log_ends", ask_the_high_watermark),
        Faults(),
        {"false", "different"},
    ),
    "a clock that nobody looks at": (
        lambda: patch.object(WorkerClock, "proof_ms", WorkerClock.now_ms),
        Faults(),
        {"false", "different"},
    ),
    "a fence that holds nobody back": (
        nothing_patched,
        Faults(no_fence=True),
        {"repeated", "different"},
    ),
    "alerts beside the transaction": (
        nothing_patched,
        Faults(outputs_outside=frozenset({ALERTS})),
        {"repeated"},
    ),
    "a header beside its alerts": (
        nothing_patched,
        Faults(outputs_outside=frozenset({"changelog"})),
        {"lost"},
    ),
    "a restore that forgets closed orders": (
        lambda: patch.object(Book, "restore_segment", lambda *_: None),
        Faults(),
        {"false", "lost"},
    ),
    "a restore that forgets open orders": (
        lambda: patch.object(Book, "restore_orders", lambda *_: None),
        Faults(),
        {"lost"},
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_auditor_sees(name: str) -> None:
    made, faults, kinds = BREAKS[name]

    with made():
        seen = next(
            (
                seed
                for seed in range(BREAK_SEEDS_MAX)
                if kinds & simulate(seed, faults).findings.wrong.keys()
            ),
            None,
        )

    assert seen is not None


def story(seed: int, outcome: Outcome) -> str:
    """What was wrong, the end of the trace, and how to see it again."""
    lines = [f"{at_s:10.6f} {who:12} {what} {detail}" for at_s, who, what, detail in outcome.trace]
    wrong = "\n".join(f"{kind}: {found}" for kind, found in outcome.findings.wrong.items())
    again = f"RETURNWATCH_SIM_SEED={seed} uv run --no-sync pytest tests/simulation"
    shown = lines if ONE_SEED is not None else lines[-TRACE_LINES:]
    return "\n".join((f"seed {seed}:", wrong, *shown, f"again: {again}"))


async def _an_hour() -> None:
    await asyncio.sleep(3_600)
