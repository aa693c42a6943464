"""The work of one worker process of several, which answers the questions of its supervisor.

Where the supervisor ends, however it ends, the worker stops in order, and after a limit at once:
no process is left alone.
"""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog

from streams import channel, logs
from streams.app import watch
from streams.channel import Failed, Job, Question, Report
from streams.core.rules import policy_from_text
from streams.failures import WrongUse, sentence, words
from streams.interpreter import tune
from streams.state.header import StateError
from streams.topics import Refused
from streams.transport.log_bounds import BrokerUnavailable
from streams.web.status import Status

ANSWER_TIMEOUT_S: Final = 10.0
ALONE_TIMEOUT_S: Final = 12.0  # A worker that is told to stop leaves within 9 s by itself.
TAKEN_TIMEOUT_S: Final = 2.0  # Until the supervisor has read why this process ends.

# A start would meet the same again; of these, a silent broker has been waited for already.
FINAL: Final = (WrongUse, Refused, StateError, BrokerUnavailable)

log = structlog.get_logger(__name__)


def serve(connection: socket.socket) -> int:
    """Do the job that comes next on this channel; the status to end with."""
    logs.hush()
    line = Line(connection)
    line.say(channel.Loaded())
    job = line.job()
    if job is None:
        return 1
    logs.set_up(job.settings.log_level, job.settings.log_format, process=job.number)
    tune()
    try:
        asyncio.run(_work(job, line))
    except Exception as error:
        failed = failure_of(error)
        line.say(failed)
        line.ended.wait(TAKEN_TIMEOUT_S)
        return failed.status
    log.info("stopped")
    return 0


def failure_of(error: Exception) -> Failed:
    """What the supervisor is told of it."""
    status = 2 if isinstance(error, WrongUse) else 1
    return Failed(sentence(error), status, isinstance(error, FINAL))


async def _work(job: Job, line: "Line") -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    status = Status(job.settings)
    line.listen(Listener(loop, stop, lambda question: _report(status, question)))
    policy = policy_from_text(job.policy_text)
    await watch(job.settings, policy, stop, accept_gap=job.accept_gap, status=status)


async def _report(status: Status, question: Question) -> Report:
    pages, worker = status.pages(), status.worker
    metrics = (await pages.metrics()).decode() if question.with_metrics else ""
    if worker is None:
        return Report(question.id, pages.unready(), metrics=metrics)
    if question.dead_member:
        await worker.dismiss(question.dead_member)
    partitions = worker.means.terms.partitions
    return Report(question.id, pages.unready(), partitions, worker.member_id, metrics)


@dataclass(frozen=True, slots=True)
class Listener:
    """Who answers, and what is set when there is nobody left to answer."""

    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event
    report: Callable[[Question], Coroutine[Any, Any, Report]]


class Line:
    """The process' end of the channel. A thread of its own reads it, so that the supervisor's end
    is seen even where the event loop does not go on."""

    def __init__(self, connection: socket.socket) -> None:
        self.ended = threading.Event()  # The supervisor has gone, or asks nothing more.
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._saying = threading.Lock()

    def say(self, message: channel.Message) -> None:
        """A supervisor that has gone hears nothing; that it has, its reader finds out."""
        with self._saying, suppress(ConnectionError):
            self._connection.sendall(channel.line_of(message))

    def job(self) -> Job | None:
        """What to do; None if the supervisor has gone."""
        return channel.job_in(self._stream)

    def listen(self, listener: Listener) -> None:
        """From now on answer; without a supervisor stop, at the latest after ALONE_TIMEOUT_S."""
        threading.Thread(target=self._listen, args=(listener,), daemon=True).start()

    def _listen(self, listener: Listener) -> None:
        with suppress(ConnectionError):
            for text in self._stream:
                question = channel.question_in(text)
                self.say(_answer(listener, question))
        self.ended.set()
        with suppress(RuntimeError):  # The loop is closed: there is nothing left to stop.
            listener.loop.call_soon_threadsafe(_stop_alone, listener.stop)
        time.sleep(ALONE_TIMEOUT_S)
        os._exit(1)


def _answer(listener: Listener, question: Question) -> Report:
    asked = listener.report(question)
    try:
        answer: Future[Report] = asyncio.run_coroutine_threadsafe(asked, listener.loop)
    except RuntimeError:  # The loop is closed: the process is about to end.
        asked.close()
        return Report(question.id, ["stopping"])
    try:
        return answer.result(ANSWER_TIMEOUT_S)
    except TimeoutError:
        answer.cancel()
    except CancelledError:  # With everything else, as the loop comes to its end.
        return Report(question.id, ["stopping"])
    except Exception as error:
        log.warning("the supervisor gets no answer", why=words(error))
    return Report(question.id, is_stuck=True)


def _stop_alone(stop: asyncio.Event) -> None:
    if not stop.is_set():
        log.warning("the supervisor has gone, stopping")
        stop.set()
