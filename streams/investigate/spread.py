"""A replay spread over processes: each has some of the partition numbers, which are independent.

What comes of it does not depend on how many there are.
"""

import asyncio
import multiprocessing
import queue
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from streams.core.rules import policy_from_text
from streams.failures import words
from streams.interpreter import tune
from streams.investigate.inputs import OnRead
from streams.investigate.replay import Replayed, replay
from streams.investigate.stretch import Portion
from streams.settings import load_settings
from streams.transport.log_bounds import BrokerUnavailable
from streams.watch import Duty

LOOK_S: Final = 0.2  # Between looks whether a process is still there.
TOLD_OFFSETS: Final = 50_000  # Read before progress is told.
END_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Share:
    """What one process is told; settings stand in the environment, but for the overrides."""

    overrides: dict[str, Any]
    topics: tuple[str, str, str, str]
    app_id: str
    policy_text: str
    portions: tuple[Portion, ...]
    snapshot: Path | None
    folder: Path

    def duty(self) -> Duty:
        """As the one who shares out has it."""
        return Duty(self.app_id, *self.topics, policy_from_text(self.policy_text), worker="")


def replay_spread(shares: Sequence[Share], *, on_read: OnRead) -> Replayed:
    """Each share in a process of its own; BrokerUnavailable for the first that fails."""
    context = multiprocessing.get_context("spawn")  # A fork would share connections and threads.
    told: Any = context.Queue()
    processes: list[BaseProcess] = [
        context.Process(target=_work, args=(share, told), daemon=True) for share in shares
    ]
    for process in processes:
        process.start()
    try:
        return _gather(processes, told, on_read)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(END_TIMEOUT_S)


def shared_out(portions: Sequence[Portion], processes: int) -> list[tuple[Portion, ...]]:
    """The longest portions first, each to who has least to read so far; none is left empty."""
    shares: list[list[Portion]] = [[] for _ in range(min(processes, len(portions)))]
    for portion in sorted(portions, key=lambda it: (-it.offsets, it.partition)):
        min(shares, key=lambda share: sum(it.offsets for it in share)).append(portion)
    return [tuple(share) for share in shares if share]


def _gather(processes: list[BaseProcess], told: Any, on_read: OnRead) -> Replayed:
    found = Replayed([], [])
    left = len(processes)
    while left:
        try:
            kind, content = told.get(timeout=LOOK_S)
        except queue.Empty:
            dead = [it.exitcode for it in processes if it.exitcode not in (None, 0)]
            if dead:
                raise BrokerUnavailable(
                    f"A process of the replay ended with status {dead[0]}."
                ) from None
            continue
        if kind == "read":
            on_read(content)
        elif kind == "failed":
            raise BrokerUnavailable(content)
        else:
            left -= 1
            found.tallies += content.tallies
            found.held += content.held
    found.tallies.sort(key=lambda tally: tally.partition)
    found.held.sort()
    return found


def _work(share: Share, told: Any) -> None:
    """One process: its failures are told as a sentence, Ctrl-C is the parent's to notice."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tune()
    unsaid = 0

    def on_read(offsets: int) -> None:
        nonlocal unsaid
        unsaid += offsets
        if unsaid >= TOLD_OFFSETS:
            told.put(("read", unsaid))
            unsaid = 0

    try:
        options = load_settings(**share.overrides).kafka_client_options()
        done = asyncio.run(
            replay(
                options,
                share.duty(),
                share.portions,
                snapshot=share.snapshot,
                folder=share.folder,
                on_read=on_read,
            )
        )
        told.put(("read", unsaid))
        told.put(("done", done))
    except Exception as error:
        is_ours = type(error).__module__.startswith("streams.")
        told.put(("failed", str(error) if is_ours else f"{type(error).__name__}: {words(error)}."))
