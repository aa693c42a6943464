"""The lines of standard input, read beside the event loop."""

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from streams.commands.lines import CHUNK_BYTES_MAX, Line, NothingToRead, lines

BYTES_MAX = 10


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Its ends; the test closes the one to write into."""
    reading, writing = os.pipe()
    yield reading, writing
    for thread in threading.enumerate():  # Else one that still reads takes from the next test's.
        if thread.name == "lines":
            thread.join(5)
    os.close(reading)


async def all_of(descriptor: int) -> list[Line]:
    return [line async for line in lines(descriptor, bytes_max=BYTES_MAX)]


def written(pipe: tuple[int, int], text: bytes) -> list[Line]:
    reading, writing = pipe
    os.write(writing, text)
    os.close(writing)
    return asyncio.run(all_of(reading))


def test_lines_are_counted_and_without_white_space_around_them(pipe: tuple[int, int]) -> None:
    assert written(pipe, b" a \r\n\nb") == [Line(1, b"a", 4), Line(2, b"", 0), Line(3, b"b", 1)]


def test_no_text_is_no_line(pipe: tuple[int, int]) -> None:
    assert written(pipe, b"") == []


def test_of_a_line_that_is_too_long_only_the_size_is_kept(pipe: tuple[int, int]) -> None:
    text = b"x" * BYTES_MAX + b"\n" + b"y" * (BYTES_MAX + 1) + b"\nz\n"

    assert written(pipe, text) == [
        Line(1, b"x" * BYTES_MAX, BYTES_MAX),
        Line(2, None, BYTES_MAX + 1),
        Line(3, b"z", 1),
    ]


def test_a_line_is_there_as_soon_as_it_ends_while_others_run(pipe: tuple[int, int]) -> None:
    reading, writing = pipe

    async def first_two() -> list[Line]:
        told = lines(reading, bytes_max=BYTES_MAX)
        os.write(writing, b"a\nb")
        first = await anext(told)
        second = asyncio.create_task(anext(told))  # type: ignore[arg-type]  # It is a coroutine.
        await asyncio.sleep(0)
        os.write(writing, b"c\n")
        return [first, await second]

    told = asyncio.run(first_two())
    os.close(writing)

    assert told == [Line(1, b"a", 1), Line(2, b"bc", 2)]


def test_more_than_is_read_at_once_comes_whole(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    count = 2 * CHUNK_BYTES_MAX

    async def run() -> list[Line]:
        write = asyncio.to_thread(os.write, writing, b"ab\n" * (count // 3))
        writer = asyncio.create_task(write)
        writer.add_done_callback(lambda _: os.close(writing))
        return await all_of(reading)

    assert [line.text for line in asyncio.run(run())] == [b"ab"] * (count // 3)


def test_what_cannot_be_read_is_wrong_use(pipe: tuple[int, int]) -> None:
    _, writing = pipe

    with pytest.raises(NothingToRead, match="Standard input cannot be read"):
        asyncio.run(all_of(writing))
    os.close(writing)
