"""The real worker as a process of its own: `returnwatch worker`, as a user starts it.

    with WorkerProcess(names.env(bootstrap), tmp_path) as worker:
        worker.wait_until_ready()

It runs in a folder of its own, so that it finds no `.env` and leaves nothing in the tree.
"""

import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from prometheus_client.parser import text_string_to_metric_families

from tests.broker.process import ChildProcess, free_port

READY_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 15.0
POLL_S: Final = 0.05
OURS: Final = ("KAFKA_", "RETURNWATCH_")


class Spawn(Protocol):
    """Starts a worker, its output appended to a file."""

    def __call__(self, output: Path, *, env: Mapping[str, str], cwd: Path) -> ChildProcess: ...


class WorkerProcess:
    """Started by `start` or as a context manager; it may be started again after its end.

    `folder`: where its output is kept and where it runs. `spawn` starts it in another way.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        folder: Path,
        *,
        arguments: Sequence[str] = (),
        spawn: Spawn | None = None,
    ) -> None:
        port = env.get("RETURNWATCH_WEB_PORT") or str(free_port())
        self.env = {"RETURNWATCH_WEB_PORT": port, **env}
        self.web = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "streams.entry", "worker", *arguments]
        self._spawn = spawn
        self._folder = Path(tempfile.mkdtemp(prefix="worker-", dir=folder))
        self._process: ChildProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            print(f"--- output of the worker in {self._folder}\n{self.text()}")
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    @property
    def process(self) -> ChildProcess:
        assert self._process is not None, "the worker has not been started"
        return self._process

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    def start(self) -> None:
        assert self._process is None or self._process.returncode is not None, "it runs already"
        inherited = {name: at for name, at in os.environ.items() if not name.startswith(OURS)}
        env = inherited | {"PYTHONUNBUFFERED": "1"} | self.env
        output = self._folder / "output.log"
        if self._spawn is not None:
            self._process = self._spawn(output, env=env, cwd=self._folder)
        else:
            self._process = ChildProcess(self._command, output, env=env, cwd=self._folder)

    def wait_until_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Fails with the worker's output where it ends or is not ready in time."""
        until = time.monotonic() + timeout_s
        while not self.is_ready():
            assert self.returncode is None, f"ended with {self.returncode}:\n{self.text()}"
            assert time.monotonic() < until, f"not ready in {timeout_s} s:\n{self.text()}"
            time.sleep(POLL_S)

    def wait_for_end(self, timeout_s: float = READY_TIMEOUT_S) -> int:
        """Its status, where it is expected to stop by itself."""
        return self.process.wait(timeout_s)

    def is_ready(self) -> bool:
        return self.page("/readyz")[0] == 200

    def page(self, path: str) -> tuple[int, str]:
        """Status and text of a page of its web port; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(self.web + path, timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name that have these labels; 0.0 where there is none."""
        status, text = self.page("/metrics")
        assert status == 200, f"/metrics answered {status}"
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def text(self) -> str:
        """Everything it has printed, over all its starts."""
        return self.process.text()

    def files(self) -> list[str]:
        """What lies in the folder it runs in."""
        return sorted(path.name for path in self._folder.iterdir())

    def terminate(self) -> int:
        """SIGTERM, and its status; killed (status -9) where it does not leave in time."""
        return self.process.terminate(STOP_TIMEOUT_S)

    def kill(self) -> int:
        return self.process.kill()

    def pause(self) -> None:
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()
