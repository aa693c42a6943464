"""A shell that types `returnwatch ...`: as a process of its own, with one test's names."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
OURS: Final = ("KAFKA_", "RETURNWATCH_")
TIMEOUT_S: Final = 30


@dataclass(slots=True)
class Shell:
    """Runs `returnwatch ...` in a folder of its own, with one test's names in the environment."""

    env: Mapping[str, str]
    folder: Path
    more: dict[str, str] = field(default_factory=dict)
    timeout_s: float = TIMEOUT_S

    def run(self, *words: str, text: bytes = b"") -> "Ended":
        done = subprocess.run(
            self.command(*words),
            input=text,
            capture_output=True,
            env=self.whole_env(),
            cwd=self.folder,
            timeout=self.timeout_s,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    def open(self, *words: str, stdin: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
        """Its output are pipes; to be used as a context manager, and ended by the test."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.command(*words),
            stdin=stdin,
            stdout=pipe,
            stderr=pipe,
            env=self.whole_env(),
            cwd=self.folder,
        )

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "streams.entry", *words]

    def whole_env(self) -> dict[str, str]:
        inherited = {name: at for name, at in os.environ.items() if not name.startswith(OURS)}
        return inherited | {"PYTHONPATH": str(ROOT), **self.env, **self.more}


@dataclass(frozen=True, slots=True)
class Ended:
    """A command's status, standard output and standard error."""

    status: int
    out: str
    err: str

    def complaints(self) -> list[str]:
        """What it complains of; nothing else may stand on standard error, least a traceback."""
        lines = self.err.splitlines()
        assert all(line.startswith("returnwatch: ") for line in lines), self.err
        return [line.removeprefix("returnwatch: ") for line in lines]
