"""A child process of a test: in a group of its own, ended by its id, gone when pytest is gone."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

# Runs before the program it becomes. 1 is PR_SET_PDEATHSIG: even when pytest is killed with -9,
# Linux then ends the child. Elsewhere the call is missing and only the orderly ways are left.
LAUNCH: Final = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


_given_ports: set[int] = set()


def free_port() -> int:
    """One that nobody listens on, and never the same twice: a broker is told several before it
    opens the first."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _given_ports:
            _given_ports.add(port)
            return port


class ChildProcess:
    """Started at once; its output, both streams, is appended to a file.

    The child dies with the thread that started it, so start it in one that lasts.
    """

    def __init__(
        self, command: Sequence[str], output: Path, *, env: Mapping[str, str], cwd: Path
    ) -> None:
        self.output = output
        launch = [sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid())]
        with output.open("ab") as sink:
            self._process = subprocess.Popen(
                [*launch, *command],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        return self._process.poll()

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def wait(self, timeout_s: float) -> int:
        """Its status. Raises subprocess.TimeoutExpired."""
        return self._process.wait(timeout_s)

    def signal(self, number: signal.Signals) -> None:
        """To the whole group; nothing happens where it has ended."""
        if self.returncode is None:
            os.killpg(self.pid, number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> int:
        self.signal(signal.SIGKILL)
        return self.wait(10)

    def terminate(self, timeout_s: float) -> int:
        """Asked to leave, killed if it has not within the time. Returns its status."""
        self.resume()
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return self.kill()
