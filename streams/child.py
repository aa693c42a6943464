"""A worker process as its supervisor sees it: started, asked, told to stop, waited for."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Final, Self

from streams import channel
from streams.channel import Failed, Job, Loaded, Question, Report

LINE_BYTES_MAX: Final = 64 * 1024 * 1024  # Metrics of 10,000 partitions are about 25 MB.
PROGRAM: Final = ("-P", "-m", "streams.process")  # Never one that lies in the current folder.
UNANSWERED_MAX: Final = 16  # Questions; a process that does not go on is asked no more.


class Child:
    """Made by `start`; whoever starts it waits for its end."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.loaded = asyncio.Event()
        self.failed: Failed | None = None  # What it said of its end.
        self._process = process
        self._writer = writer
        self._asked = 0
        self._answered = 0
        self._waiting: dict[int, asyncio.Future[Report]] = {}
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def start(cls) -> Self:
        """A process that loads and then waits for its job. OSError where the system has none."""
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *PROGRAM, str(fd)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[fd],
                # It finds what this process has found, wherever that stands.
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=LINE_BYTES_MAX)
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        """The system's number of it."""
        return self._process.pid

    def begin(self, job: Job) -> None:
        """Give it its job, once."""
        self._writer.write(channel.packed(job))

    async def ask(
        self, *, timeout_s: float, with_metrics: bool = False, dead_member: str = ""
    ) -> Report | None:
        """How it is; None where it does not say within the time."""
        has_ended = self.failed is not None or self._reading.done()
        if has_ended or self._asked - self._answered >= UNANSWERED_MAX:
            return None
        self._asked += 1
        question = Question(self._asked, with_metrics, dead_member)
        answer = self._waiting[question.id] = asyncio.get_running_loop().create_future()
        self._writer.write(channel.line_of(question))
        try:
            async with asyncio.timeout(timeout_s):
                report = await answer
        except TimeoutError:
            return None
        finally:
            del self._waiting[question.id]
        return None if report.is_stuck else report

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing happens where it has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def wait(self) -> int:
        """Its status, once it has ended and everything is read that it said."""
        status = await self._process.wait()
        await self._reading
        self._writer.close()
        return status

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            async for line in reader:
                self._take(channel.message_in(line))
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result(Report(0, is_stuck=True))

    def _take(self, message: channel.Message) -> None:
        match message:
            case Loaded():
                self.loaded.set()
            case Failed():
                self.failed = message
                self._writer.write_eof()  # It ends when it sees that this was read.
            case Report():
                self._answered = message.id
                waiting = self._waiting.get(message.id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
