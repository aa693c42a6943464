"""Sends the records of dead letters again, once each.

A record and the marker that says so are written in one transaction, and the markers are read after
the producer of that partition's requeues was fenced, up to where the log ends then. So whoever
sends has seen every marker that will ever come from anyone before, and who was fenced writes no
more: a crash anywhere leaves both or neither.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import TopicPartition
from msgspec.structs import replace

from schemas.cloudevents import envelope, structured_data
from schemas.deadletters import StoredLetter, marker
from schemas.jsontext import NotAnObject, load_object
from schemas.records import Problem, Record, Unreadable
from streams.failures import words
from streams.investigate.letters import Letters, Place, Wish, read_letters, stretches_of
from streams.investigate.search import LogSearch
from streams.state.ledger import Fenced, Ledger, LedgerError, Page
from streams.transport.log_bounds import LogBounds

KEY: Final = "key"  # Fixes the record's key, as problems name it; the rest are fields of its value.
TRANSACTION_LETTERS_MAX: Final = 500
TRANSACTION_BYTES_MAX: Final = 8 * 1024 * 1024

Fixes = Mapping[str, Any]
Check = Callable[[Record], object]


class RequeueFailed(Exception):
    """Something was not sent, or not surely; the text says what to do."""


class NotFixable(ValueError):
    """A fix does not go with the record; the text says why."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A record as it goes out again, and where to."""

    letter: StoredLetter
    record: Record
    partition: int
    fixes: Fixes


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the wished letters: sent, left because they would be set aside again (with
    the problems), or sent before."""

    sendings: list[Sending] = field(default_factory=list)
    refused: list[tuple[StoredLetter, tuple[str, ...]]] = field(default_factory=list)
    letters: Letters = field(default_factory=Letters)


@dataclass(frozen=True, slots=True)
class Mender:
    """Makes the record that goes out: fixes it, checks it as the worker will, and finds its
    partition. `checks` are by topic, empty where nothing is checked."""

    topics: frozenset[str]
    checks: Mapping[str, Check]
    fixes: Fixes
    partition_of: Callable[[str, bytes], int] | None = None  # Needed where keys are fixed.

    def plan(self, letters: Letters) -> Plan:
        """For letters that were read with their markers."""
        plan = Plan(letters=letters)
        for letter in letters.waiting():
            try:
                plan.sendings.append(self._sending(letter))
            except NotFixable as error:
                plan.refused.append((letter, (str(error),)))
            except _Unmended as error:
                problems = (
                    f"{it.field} {it.problem}; right would be {it.hint}" for it in error.problems
                )
                plan.refused.append((letter, tuple(problems)))
        return plan

    def _sending(self, letter: StoredLetter) -> Sending:
        if letter.topic not in self.topics:
            raise NotFixable(f"its topic {letter.topic} is none of the inputs of these settings")
        record = mended(letter, self.fixes)
        check = self.checks.get(letter.topic)
        read = None if check is None else check(record)
        if isinstance(read, Unreadable):
            raise _Unmended(read.problems)
        partition = letter.origin_partition
        if record.key is not None and record.key != letter.record.key and self.partition_of:
            partition = self.partition_of(letter.topic, record.key)
        return Sending(letter, record, partition, self.fixes)


class _Unmended(Exception):
    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("it would be set aside again")
        self.problems = problems


def mended(letter: StoredLetter, fixes: Fixes) -> Record:
    """The record that came in, with its own key, headers and value but for the fixes; NotFixable
    where they do not go with it. Its time is now, as the broker will set it."""
    now_ms = time.time_ns() // 1_000_000
    before = letter.record
    key, value = before.key, before.value
    if KEY in fixes:
        if not isinstance(fixes[KEY], str):
            raise NotFixable("a key is a text, in quotes")
        key = fixes[KEY].encode()
    if fixes.keys() - {KEY}:
        value = _mended_value(letter, {name: it for name, it in fixes.items() if name != KEY})
    return Record(0, now_ms, key, value, before.headers)


def _mended_value(letter: StoredLetter, fixes: Fixes) -> bytes:
    try:
        document = load_object(letter.record.value)
        if envelope(letter.record.headers).structured:
            document["data"] = {**structured_data(document), **fixes}
            document.pop("data_base64", None)
        else:
            document.update(fixes)
    except NotAnObject as error:
        raise NotFixable(f"its value {error}, so no field of it can be fixed") from error
    return json.dumps(document, separators=(",", ":")).encode()


@dataclass(slots=True)
class Requeue:
    """Sends letters of one deployment again."""

    client_options: Mapping[str, Any]
    app_id: str
    topic: str  # Of the dead letters.
    mender: Mender
    told: Callable[[Plan], None]  # After each partition, once it is committed.

    async def run(self, wish: Wish, *, dry: bool) -> None:
        """Partition by partition. RequeueFailed at the first that fails; those told are sent."""
        async with LogSearch(self.client_options) as search:
            stretches = await stretches_of(search, self.topic, wish)
            seen = await read_letters(search, stretches, wish)
            if dry:
                self.told(self.mender.plan(seen))
                return
            for tp in stretches:
                its = seen.of(tp.partition)
                if any(its.waiting()):
                    await self._requeue(search, tp.partition, wish)
                elif its.found:
                    self.told(Plan(letters=its))

    async def _requeue(self, search: LogSearch, number: int, wish: Wish) -> None:
        try:
            async with self._fenced(number) as ledger:
                letters = await self._letters_after_fence(search, number, wish)
                plan = self.mender.plan(letters)
                for page in pages(self.topic, number, plan.sendings):
                    await ledger.write(page)
        except Fenced as error:
            raise RequeueFailed(
                f"Another requeue has taken over the dead letters of partition {number}; what it "
                "leaves can be sent by typing this again."
            ) from error
        except LedgerError as error:
            raise RequeueFailed(
                f"Partition {number}: {words(error)}. Type it again: what was sent all the same "
                "has its marker and is not sent twice."
            ) from error
        self.told(plan)

    @asynccontextmanager
    async def _fenced(self, number: int) -> Any:
        ledger = Ledger(
            self.client_options,
            app_id=f"{self.app_id}{REQUEUE_SUFFIX}",
            changelog=self.topic,
            partition=number,
        )
        try:
            await ledger.fence(_anybody_may)
            yield ledger
        finally:
            await ledger.close()

    async def _letters_after_fence(self, search: LogSearch, number: int, wish: Wish) -> Letters:
        """To the end of the leader's log: the last stable offset could lie before a marker, where
        the worker has a transaction open."""
        tp = TopicPartition(self.topic, number)
        async with LogBounds(self.client_options) as bounds:
            ends = await bounds.log_ends([tp])
        stretches = await stretches_of(search, self.topic, wish, ends=ends)
        letters = await read_letters(search, stretches, wish)
        if letters.is_cut:  # The place goes to those that are still to be sent.
            letters = await read_letters(search, stretches, wish, without=letters.requeued)
        return letters


# A slash is no letter of an app id, so no worker's transactional id can be like one of these.
REQUEUE_SUFFIX: Final = "/requeue"


def pages(topic: str, number: int, sendings: Iterable[Sending]) -> Iterator[Page]:
    """What goes into one transaction each: records, and their markers among the dead letters."""
    page, count, size_bytes = Page(), 0, 0
    for it in sendings:
        row = replace(it.record, timestamp_ms=-1)
        if it.partition == number:
            page.outputs.setdefault(it.letter.topic, []).append(row)
        else:
            page.elsewhere.setdefault((it.letter.topic, it.partition), []).append(row)
        mark = marker(it.letter, row, it.partition, fixes=dict(it.fixes))
        page.outputs.setdefault(topic, []).append(mark)
        count, size_bytes = count + 1, size_bytes + len(row.value or b"")
        if count >= TRANSACTION_LETTERS_MAX or size_bytes >= TRANSACTION_BYTES_MAX:
            yield page
            page, count, size_bytes = Page(), 0, 0
    if count:
        yield page


async def _anybody_may() -> None:
    """Whoever asks last sends; the other is fenced."""


def place_of(text: str) -> Place:
    """`2:17` as partition and offset; ValueError for anything else."""
    partition, _, offset = text.partition(":")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise ValueError("no place")
    return int(partition), int(offset)
