"""What a supervisor and one of its processes say to each other, over a pair of sockets.

The process says that it has loaded; then it gets its job, pickled, and after that questions. Both
sides write one line of JSON for each. Where either ends, the other reads the end of the stream.
"""

import pickle
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is to do: with what the supervisor has read, so that all do the same."""

    number: int  # From 1.
    settings: Settings
    policy_text: str
    accept_gap: bool


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """All that takes time before a worker can begin is done."""


class Question(msgspec.Struct, frozen=True):
    """How is it? With the metrics, which cost more, where they are wanted.

    `dead_member`: of the consumer group, whose end the group is to be told before.
    """

    id: int
    with_metrics: bool = False
    dead_member: str = ""


class Report(msgspec.Struct, frozen=True, tag=True):
    """The answer to the question with this id.

    `is_stuck`: the process is there, but what it should be busy with does not go on.
    """

    id: int
    unready: list[str] = []
    partitions: int | None = None  # Of each input, once that is known.
    member: str = ""  # What the consumer group calls it.
    metrics: str = ""
    is_stuck: bool = False


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Why the process ends, and with what status; `is_final` where starting it again mends
    nothing."""

    text: str
    status: int
    is_final: bool


Message = Loaded | Report | Failed
_messages = msgspec.json.Decoder(Message)
_questions = msgspec.json.Decoder(Question)


def line_of(message: Message | Question) -> bytes:
    """As it is written."""
    return msgspec.json.encode(message) + b"\n"


def message_in(line: bytes) -> Message:
    """What the process said."""
    message: Message = _messages.decode(line)
    return message


def question_in(line: bytes) -> Question:
    """What the supervisor asked."""
    return _questions.decode(line)


def packed(job: Job) -> bytes:
    """As it is written; it may hold a password, so it goes nowhere else."""
    return pickle.dumps(job)


def job_in(stream: BinaryIO) -> Job | None:
    """The job that comes next; None if the supervisor has gone."""
    try:
        job = pickle.load(stream)  # noqa: S301 # From the process that started this one, no other.
    except (EOFError, ConnectionError):
        return None
    assert isinstance(job, Job)
    return job
