"""Records where they lie in fetched bytes are those that aiokafka reads of the same bytes."""

import random
import sys
from typing import Any

import pytest
from aiokafka.errors import UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.records import Record
from streams.transport import unpacking
from streams.transport.unpacking import FetchedBytes

blocks = pytest.importorskip("streams.core.compiled.blocks", reason="there was no C compiler")

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
APPEND_TIME_AT, MAX_TIME_AT, APPEND_TIME = 22, 35, 8

_texts = st.none() | st.binary(max_size=5) | st.integers(0, 300).map(lambda size: b"x" * size)
_headers = st.lists(st.tuples(st.text(max_size=4), st.binary(max_size=3)), max_size=3)
_records = st.lists(
    st.tuples(_texts, _texts, _headers, st.integers(0, 2**40), st.integers(1, 3)), max_size=9
)


def batch_of(records: list[Any], first_offset: int, kind: int = 0) -> bytes:
    """A batch of (key, value, headers, time, offsets further than the one before)."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=kind,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1_000_000,
    )
    offset = 0
    for key, value, headers, time_ms, further in records:
        builder.append(offset, timestamp=time_ms, key=key, value=value, headers=headers)
        offset += further
    return first_offset.to_bytes(8, "big") + bytes(builder.build())[8:]


def told_by_aiokafka(fetched: bytes, from_offset: int = 0) -> list[Record]:
    found, read = MemoryRecords(fetched), []
    while found.has_next():
        batch = found.next_batch()
        read += [Record(it.offset, it.timestamp, it.key, it.value, it.headers) for it in batch]
    return [record for record in read if record.offset >= from_offset]


def block_of(fetched: bytes, from_offset: int = 0) -> Any:
    block, at = blocks.Block(), 0
    while at < len(fetched):
        before = at
        at = block.add_batch(fetched, at, from_offset, unpacking._decompressed)
        assert at - before == blocks.batch_size(fetched, before)
    return block


@settings(max_examples=500)
@given(
    records=_records, more=_records, kind=st.sampled_from([0, 0, GZIP, SNAPPY, LZ4, ZSTD]), cut=...
)
def test_every_record_is_as_aiokafka_reads_it(
    records: list[Any], more: list[Any], kind: int, cut: bool
) -> None:
    assume(records or kind != SNAPPY)  # aiokafka fails at an empty one.
    fetched = batch_of(records, 2**40, kind) + batch_of(more, 2**40 + 100)
    from_offset = 2**40 + 3 if cut else 0

    block = block_of(fetched, from_offset)

    assert list(block) == block[:] == told_by_aiokafka(fetched, from_offset)
    assert len(block) == len(list(block))


@pytest.mark.parametrize("kind", [GZIP, SNAPPY, LZ4, ZSTD])
def test_of_an_empty_batch_nothing_is_taken_apart(kind: int) -> None:
    assert list(block_of(batch_of([], 7, kind))) == []


def test_a_time_of_the_brokers_is_that_of_the_batch() -> None:
    fetched = bytearray(batch_of([(b"k", b"v", [], 5, 1), (b"k", b"v", [], 9, 1)], 0))
    fetched[APPEND_TIME_AT] |= APPEND_TIME
    fetched[MAX_TIME_AT : MAX_TIME_AT + 8] = (77).to_bytes(8, "big")

    block = block_of(bytes(fetched))

    assert [record.timestamp_ms for record in block] == [77, 77]
    assert list(block) == told_by_aiokafka(bytes(fetched))


def test_records_that_somebody_has_stand_in_a_block_as_they_are() -> None:
    given = [Record(3, 4, None, b"v", ()), Record(5, 6, b"k", None, [("h", b"")])]
    block = block_of(batch_of([(b"k", b"v", [], 5, 1)], 0))

    block.add_records(given)
    block.add_batch(batch_of([(b"k", b"v", [], 5, 1)], 9), 0, 0, unpacking._decompressed)

    assert [record.offset for record in block] == [0, 3, 5, 9]
    assert [block[1], block[2]] == given
    assert block[-1].offset == 9
    assert block[1] is given[0]


@pytest.mark.parametrize("at", [-5, 4])
def test_there_is_nothing_beyond_its_ends(at: int) -> None:
    block = block_of(batch_of([(b"k", b"v", [], 5, 1)] * 4, 0))

    with pytest.raises(IndexError):
        block[at]


def test_a_damaged_batch_is_cut_or_read_and_never_more_than_its_bytes() -> None:
    dice = random.Random(3)
    whole = batch_of([(b"key", b"value" * 9, [("name", b"of it")], 5, 1)] * 8, 0)
    ends = {"read": 0, "cut": 0, "not UTF-8": 0}
    for _ in range(20_000):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 3)):
            damaged[dice.randrange(57, len(whole))] = dice.randrange(256)
        try:
            list(block_of(bytes(damaged)))
            ends["read"] += 1
        except blocks.CutRecord:
            ends["cut"] += 1
        except UnicodeDecodeError:
            ends["not UTF-8"] += 1

    assert min(ends.values()) > 100


@given(records=_records, at=st.integers(21, 400), byte=st.integers(0, 255))
def test_a_batch_is_whole_if_aiokafka_says_so(records: list[Any], at: int, byte: int) -> None:
    batch = bytearray(batch_of(records, 5))
    if at < len(batch):
        batch[at] = byte
    fetched = batch_of([], 3) + bytes(batch)

    whole = blocks.is_whole(fetched, 61)

    assert whole in (MemoryRecords(bytes(batch)).next_batch().validate_crc(), None)
    assert blocks.is_whole(fetched, 0) in (True, None)


def test_of_a_batch_that_is_not_read_nothing_stays() -> None:
    block = block_of(batch_of([(b"k", b"v", [], 5, 1)], 0))
    bad = bytearray(batch_of([(b"a", b"b", [], 5, 1), (b"c", b"d", [("name", b"")], 5, 1)], 1))
    bad[bad.index(b"name")] = 255

    with pytest.raises(UnicodeDecodeError):
        block.add_batch(bytes(bad), 0, 0, unpacking._decompressed)

    assert [record.key for record in block] == [b"k"]


def test_a_compression_without_its_library_is_named() -> None:
    with pytest.raises(UnsupportedCodecError, match="codec 7"):
        block_of(batch_of([(b"k", b"v", [], 5, 1)], 0)[:22] + b"\x07" + b"x" * 60)


def test_what_is_fetched_is_let_go_with_the_last_of_its_blocks() -> None:
    fetched = batch_of([(b"k", b"v" * 9, [("h", b"v")], 5, 1)] * 50, 0)
    counts = []

    for _ in range(3):
        block = block_of(fetched)
        assert sum(1 for _ in block) == 50
        held = sys.getrefcount(fetched)
        del block
        counts.append((held, sys.getrefcount(fetched)))

    assert len(set(counts)) == 1
    assert counts[0][0] > counts[0][1]


def test_fetched_bytes_are_the_batches_that_aiokafka_finds_in_them() -> None:
    fetched = batch_of([(b"k", b"v", [], 5, 1)], 4)

    found = FetchedBytes(fetched)

    assert found.data == fetched
    assert found.next_batch().base_offset == 4
