"""Virtual time: an event loop that jumps to its next timer, and processes that freeze and die.

A process is whatever runs in its context. While it is frozen or dead its callbacks are kept back,
so that a crash runs no clean-up, and a zombie goes on exactly where it stood.
"""

import asyncio
import heapq
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace
from typing import Any, Final

from tests.property.logs import BASE_MS

RESOLUTION_S: Final = 1e-6


class Phase(Enum):
    """What a process is doing."""

    RUNNING = "running"
    FROZEN = "frozen"  # SIGSTOP; its time goes on.
    DEAD = "dead"  # kill -9.
    SWEPT = "swept"  # After the simulation: what is left is cancelled and may run its clean-up.


@dataclass(eq=False)
class Process:
    """Tasks that live and die together."""

    name: str
    phase: Phase = Phase.RUNNING
    tasks: list["asyncio.Task[Any]"] = field(default_factory=list)
    kept_back: list[asyncio.Handle] = field(default_factory=list)

    @property
    def stands_still(self) -> bool:
        """Whether nothing of it may run."""
        return self.phase in (Phase.FROZEN, Phase.DEAD)


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
OUTSIDE: Final = Context()  # Of nobody's process: the broker, the network.


class _Handle(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(PROCESS)
        if process is not None and process.stands_still:
            process.kept_back.append(self)
        else:
            super()._run()


class _TimerHandle(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(PROCESS)
        if process is not None and process.stands_still:
            process.kept_back.append(self)
        else:
            super()._run()


class _Task(asyncio.Task):
    """Hashed by its number: sets of tasks are walked in the same order in every run."""

    _made = 0

    def __new__(cls, *_: Any, **__: Any) -> "_Task":
        task = super().__new__(cls)
        _Task._made += 1
        task._number = _Task._made
        return task

    def __hash__(self) -> int:
        return self._number


class _Deadlock(Exception):
    """Nothing is ready and no timer is set."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Sleeps by setting its clock; no sockets, no threads."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.errors: list[BaseException] = []
        self._clock_resolution = RESOLUTION_S
        self._selector = self
        _Task._made = 0
        self.set_task_factory(self._new_task)
        self.set_exception_handler(lambda _, context: self._note(context))

    def time(self) -> float:
        return self.now_s

    @property
    def now_ms(self) -> int:
        """The broker's wall clock."""
        return BASE_MS + int(self.now_s * 1000)

    def select(self, timeout_s: float | None) -> tuple[()]:
        """What a selector does: wait until something is due."""
        if timeout_s is None:
            raise _Deadlock
        self.now_s += timeout_s
        return ()

    def _process_events(self, event_list: Any) -> None:
        assert not event_list

    def _call_soon(self, callback: Any, args: Any, context: Any) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        timer = _TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def _new_task(self, loop: Any, coroutine: Any, context: Any = None) -> "asyncio.Task[Any]":
        task = _Task(coroutine, loop=loop, context=context)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None:
            process.tasks.append(task)
        return task

    def _note(self, context: dict[str, Any]) -> None:
        self.errors.append(context.get("exception") or RuntimeError(context["message"]))

    # Processes.

    def spawn_in(self, process: Process, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run something as part of a process."""
        context = copy_context()
        context.run(PROCESS.set, process)
        self.create_task(coroutine, context=context)

    def outside(self, delay_s: float, callback: Callable[..., None], *args: Any) -> None:
        """Call something that goes on whatever becomes of the caller."""
        self.call_at(self.now_s + delay_s, callback, *args, context=OUTSIDE)

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on; what fell due meanwhile comes at once."""
        process.phase = Phase.RUNNING
        self._give_back(process)

    async def sweep(self, process: Process) -> None:
        """Cancel what is left of a process."""
        process.phase = Phase.SWEPT
        self._give_back(process)
        for _ in range(10):
            left = [task for task in process.tasks if not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=0.1)
        for task in process.tasks:
            if task.done() and not task.cancelled():
                task.exception()  # It was looked at while the process lived.
        process.tasks.clear()

    def _give_back(self, process: Process) -> None:
        kept_back, process.kept_back = process.kept_back, []
        self._ready.extend(kept_back)


@contextmanager
def virtual_time(loop: VirtualLoop) -> Iterator[None]:
    """The product's monotonic clock is the loop's."""
    clock = SimpleNamespace(monotonic=loop.time, time_ns=lambda: loop.now_ms * 1_000_000)
    patched = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("streams.") and vars(module).get("time") is time
    ]
    for module in patched:
        module.time = clock  # type: ignore[attr-defined] # It imports the module `time`.
    try:
        yield
    finally:
        for module in patched:
            module.time = time  # type: ignore[attr-defined] # As above.
