"""Workers that are forked, not started: what they import is imported once for all of them.

    with Nursery(folder) as nursery:
        child = nursery.spawn(output, env=env, cwd=folder)

`python -m tests.faults.nursery` forks a sabotaged worker for each line it reads, and says who has
ended. Starting Python and importing the worker is most of what a kill costs otherwise.
"""

import ctypes
import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.broker.process import ChildProcess

PARENT_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG of prctl(2).
LOOK_S: Final = 0.02
ANSWER_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.01


class Forked(ChildProcess):
    """A worker out of the nursery, with everything that a ChildProcess can do."""

    def __init__(self, nursery: "Nursery", pid: int, output: Path) -> None:
        self.output = output
        self._nursery = nursery
        self._pid = pid

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def returncode(self) -> int | None:
        return self._nursery.ended.get(self._pid)

    def signal(self, number: signal.Signals) -> None:
        """To the worker, which has no group before it made one; nothing where it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):  # It has, and the nursery is about to say so.
                os.kill(self._pid, number)

    def wait(self, timeout_s: float) -> int:
        until = time.monotonic() + timeout_s
        while (status := self.returncode) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(f"worker {self._pid}", timeout_s)
            time.sleep(POLL_S)
        return status


class Nursery:
    """A context manager; any thread may spawn."""

    def __init__(self, folder: Path) -> None:
        self.ended: dict[int, int] = {}  # Status by process id, negative for a signal.
        self._pids: list[int] = []
        self._lock = threading.Lock()
        command = [sys.executable, "-m", "tests.faults.nursery"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(ANSWER_TIMEOUT_S)
        self._reader.join(ANSWER_TIMEOUT_S)
        self._process.stdout.close()

    def spawn(self, output: Path, *, env: Mapping[str, str], cwd: Path) -> Forked:
        """A worker with this environment; its output is appended to a file."""
        request = {"output": str(output), "env": dict(env), "cwd": str(cwd)}
        assert self._process.stdin is not None
        output.touch()
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            until = time.monotonic() + ANSWER_TIMEOUT_S
            while not self._pids:
                assert self._process.poll() is None, "the nursery has ended"
                assert time.monotonic() < until, "the nursery does not answer"
                time.sleep(POLL_S)
            return Forked(self, self._pids.pop(), output)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event, pid, status = line.split()
            if event == "born":
                self._pids.append(int(pid))
            else:
                self.ended[int(pid)] = int(status)


def tend() -> dict[str, Any]:
    """Fork a worker for each line; returns in the workers, with what they are to be."""
    pending = b""
    while True:
        reap()
        readable, _, _ = select.select([0], [], [], LOOK_S)
        if not readable:
            continue
        chunk = os.read(0, 1 << 16)
        if not chunk:
            sys.exit(0)
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            nurse = os.getpid()
            pid = os.fork()
            if pid == 0:
                die_with(nurse)
                request: dict[str, Any] = json.loads(line)
                return request
            print("born", pid, 0, flush=True)


def reap() -> None:
    """Say who has ended, and how."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # There is none at all.
            return
        if pid == 0:
            return
        print("ended", pid, os.waitstatus_to_exitcode(status), flush=True)


def die_with(nurse: int) -> None:
    """However the nursery ends, what it has forked ends with it."""
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != nurse:
        os._exit(1)


def become(request: dict[str, Any]) -> None:
    """A process of its own, with its own place, output and environment."""
    os.setsid()
    os.chdir(request["cwd"])
    output = os.open(request["output"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv[:] = ["returnwatch", "worker"]


if __name__ == "__main__":
    import streams.app
    import streams.cli  # noqa: F401 - imported before the forks, for all of them.
    from tests.faults import sabotage

    gc.collect()
    gc.freeze()
    become(tend())
    sabotage.run()
