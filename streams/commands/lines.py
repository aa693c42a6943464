"""The lines of standard input, read beside the event loop, so that waiting for one stops nothing.

Bounded: a reader that is too fast waits, and of a line that is too long only the size is kept.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streams.failures import WrongUse, words

CHUNK_BYTES_MAX: Final = 64 * 1024
CHUNKS_WAITING_MAX: Final = 16


class NothingToRead(WrongUse):
    """Standard input is closed, or no lines can be read from it."""


class Line(NamedTuple):
    """Without white space around it; the text is None where the size is more than asked for."""

    number: int
    text: bytes | None
    size_bytes: int


async def lines(descriptor: int, *, bytes_max: int) -> AsyncIterator[Line]:
    """Every line as soon as it ends, counted from 1; NothingToRead where none can be read."""
    number = 1
    growing = _Growing(bytes_max)
    async for chunk in _chunks(descriptor):
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            growing.add(end)
            yield growing.take(number)
            number += 1
        growing.add(rest)
    if growing.size_bytes:
        yield growing.take(number)


@dataclass(slots=True)
class _Growing:
    bytes_max: int
    size_bytes: int = 0
    text: bytearray = field(default_factory=bytearray)

    def add(self, part: bytes) -> None:
        self.size_bytes += len(part)
        if self.size_bytes <= self.bytes_max:
            self.text += part

    def take(self, number: int) -> Line:
        size_bytes, text = self.size_bytes, bytes(self.text).strip()
        self.size_bytes = 0
        self.text.clear()
        return Line(number, text if size_bytes <= self.bytes_max else None, size_bytes)


async def _chunks(descriptor: int) -> AsyncIterator[bytes]:
    """What can be read, until the end; by a thread that is left behind where it waits for more."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[bytes | OSError] = asyncio.Queue()
    room = threading.Semaphore(CHUNKS_WAITING_MAX)

    def hand_over(chunk: bytes | OSError) -> bool:
        try:
            loop.call_soon_threadsafe(waiting.put_nowait, chunk)
        except RuntimeError:  # The loop is closed: nobody waits any more.
            return False
        return isinstance(chunk, bytes) and bool(chunk)

    def read() -> bytes | OSError:
        room.acquire()
        try:
            return os.read(descriptor, CHUNK_BYTES_MAX)
        except OSError as error:
            return error

    def run() -> None:
        while hand_over(read()):
            pass

    threading.Thread(target=run, name="lines", daemon=True).start()
    while chunk := await waiting.get():
        room.release()
        if isinstance(chunk, OSError):
            raise NothingToRead(f"Standard input cannot be read: {words(chunk)}.") from chunk
        yield chunk
