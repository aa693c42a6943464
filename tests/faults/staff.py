"""The workers of a scenario: started, killed, stopped, woken, and started again if they fail."""

import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.broker.worker import Spawn, WorkerProcess
from tests.faults import scenario as steps
from tests.faults.sabotage import Sabotage

WAIT_S: Final = 60.0
POLL_S: Final = 0.05
FAILED: Final = 1  # How a worker ends that met what it cannot go on with.


class Staff:
    """Workers by number; one that fails is started again, as whoever runs it would."""

    def __init__(self, env: Mapping[str, str], folder: Path, spawn: Spawn) -> None:
        self.restarts = 0
        self._env = env
        self._folder = folder
        self._spawn = spawn
        self._workers: dict[int, WorkerProcess] = {}
        self._present: set[int] = set()

    def do(self, step: steps.OfWorker) -> None:
        """One step, to its end."""
        match step:
            case steps.Start(number, sabotage):
                self._start(number, sabotage)
                self._present.add(number)
            case steps.Ready(number):
                self.wait_until(lambda: self._workers[number].is_ready(), step)
            case steps.Stopped(number):
                self.wait_until(lambda: self._is_stopped(number), step)
            case steps.Stop(number):
                self._workers[number].pause()
            case steps.Cont(number):
                self._workers[number].resume()
            case _:
                self._present.discard(step.worker)
                self._let_go(step)

    def wait_until_alone(self, number: int, partitions: int) -> None:
        """Until the worker has every partition."""
        worker, name = self._workers[number], "returnwatch_checkpoints_total{"

        def is_alone() -> bool:
            return worker.page("/metrics")[1].count(name) == partitions and worker.is_ready()

        self.wait_until(is_alone, f"worker {number} has all partitions")

    def wait_until(self, seen: Callable[[], Any], what: object) -> None:
        """Fails with what the workers said where it does not come true."""
        until = time.monotonic() + WAIT_S
        while not seen():
            assert time.monotonic() < until, f"{what} did not come true; {self.texts()}"
            self.supervise()
            time.sleep(POLL_S)

    def supervise(self) -> None:
        """Start again what has failed."""
        for number in self._present:
            worker = self._workers[number]
            if worker.returncode is not None:
                assert worker.returncode == FAILED, f"{worker.returncode}: {worker.text()[-5000:]}"
                self.restarts += 1
                self._start(number, Sabotage())

    def resume(self) -> None:
        """Wake whoever stands still, until everybody is ready."""
        for number in self._present:
            self._workers[number].resume()
        for number in self._present:
            self.do(steps.Ready(number))

    def end(self) -> set[int]:
        """Ask everybody to leave; their statuses."""
        return {self._workers[number].terminate() for number in self._present}

    def send_home(self, *error: Any) -> None:
        """Nobody is left when it returns; after an error, with what they said."""
        for worker in self._workers.values():
            worker.__exit__(*error)

    def texts(self) -> dict[int, str]:
        """What each has printed."""
        return {number: worker.text() for number, worker in self._workers.items()}

    def _start(self, number: int, sabotage: Sabotage) -> None:
        if number not in self._workers:
            self._workers[number] = WorkerProcess(self._env, self._folder, spawn=self._spawn)
        self._workers[number].env |= sabotage.env()
        self._workers[number].start()

    def _is_stopped(self, number: int) -> bool:
        pid = self._workers[number].process.pid
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "T"

    def _let_go(self, step: steps.OfWorker) -> None:
        worker = self._workers[step.worker]
        if isinstance(step, steps.Kill):
            worker.kill()
            return
        if isinstance(step, steps.Ended):
            self.wait_until(lambda: worker.returncode is not None, step)
        else:
            worker.terminate()
        if isinstance(step, steps.Ended):
            wanted = -signal.SIGKILL
        else:
            wanted = 0 if worker.text() else -signal.SIGTERM  # Asked before it could listen.
        assert worker.returncode == wanted, f"{worker.returncode}: {worker.text()[-5000:]}"
