"""Keys and values in one piece: the list that they look like, the batches that a broker is sent."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import example, given
from hypothesis import strategies as st

from streams.core import compiled
from streams.core.kept import KeyValue
from streams.state import filled
from streams.state.filled import HEADER_BYTES, Filled

pairs = pytest.importorskip("streams.core.compiled.pairs", reason="there was no C compiler")

_sizes = st.sampled_from([0, 1, 62, 63, 64, 65, 127, 128, 8_189, 8_190, 8_191, 8_192, 20_000])
_texts = st.one_of(st.binary(max_size=20), _sizes.map(lambda size: b"x" * size))
_pairs = st.lists(st.tuples(_texts, st.none() | _texts), max_size=200)


def in_one_piece(listed: list[KeyValue]) -> "pairs.Pairs":
    found = pairs.Pairs()
    found.extend(listed)
    return found


@given(listed=_pairs)
def test_they_look_like_the_list_they_were_made_of(listed: list[KeyValue]) -> None:
    found = in_one_piece(listed)

    assert (len(found), list(found), bool(found)) == (len(listed), listed, bool(listed))
    assert found == listed
    assert found.value_bytes_max == max((len(value or b"") for _, value in listed), default=0)
    if listed:
        assert (found[0], found[-1]) == (listed[0], listed[-1])


@given(listed=_pairs, bytes_max=st.integers(61, 30_000))
@example(listed=[(b"k", b"v")] * 70, bytes_max=10**6)  # Numbers of one byte and of two.
@example(listed=[(b"k", None)] * 9_000, bytes_max=10**6)  # And of three.
def test_a_broker_is_sent_what_aiokafka_would_send(listed: list[KeyValue], bytes_max: int) -> None:
    at = 0
    for records, count in in_one_piece(listed).batches(bytes_max):
        batch = Filled(records, count)
        theirs = theirs_of(listed[at : at + count], batch._made_ms)
        longer = theirs_of(listed[at : at + count + 1], batch._made_ms)
        assert (batch.record_count(), batch.size()) == (count, theirs.size())
        assert batch.size() <= bytes_max or count == 1
        assert longer.size() > bytes_max or at + count == len(listed)
        for each in (batch, theirs):
            each._set_producer_state(7, 2, 30)
        built = bytes(batch._build())
        assert built == bytes(theirs._build())
        assert [(it.key, it.value) for it in read(built)] == listed[at : at + count]
        at += count

    assert at == len(listed)


def test_a_batch_is_closed_and_says_so() -> None:
    ((records, count),) = in_one_piece([(b"k", b"v")]).batches(100)
    batch = Filled(records, count)

    batch.close()

    assert batch.closed()
    assert batch.append(timestamp=None, key=b"k", value=b"v", headers=[]) is None
    assert batch.size() == len(records) > HEADER_BYTES


def test_without_the_instruction_the_checksum_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ((records, count),) = in_one_piece([(b"k", b"v")]).batches(100)
    batch = Filled(records, count)
    usual = bytes(batch._build())
    monkeypatch.setattr(compiled.pairs, "checksum", lambda data: None)

    assert bytes(batch._build()) == usual
    assert filled.calc_crc32c(usual[HEADER_BYTES - 40 :]) == int.from_bytes(usual[17:21], "big")


@pytest.mark.parametrize("pair", [(None, b"v"), ("k", b"v"), (b"k", "v"), (b"k",)])
def test_what_is_no_pair_is_refused(pair: tuple[object, ...]) -> None:
    found = pairs.Pairs()

    with pytest.raises((AssertionError, TypeError, ValueError)):
        found.append(pair)

    assert len(found) == 0


def theirs_of(listed: list[KeyValue], now_ms: int) -> BatchBuilder:
    builder = BatchBuilder(2**24, 0, is_transactional=True)
    for key, value in listed:
        assert builder.append(timestamp=now_ms, key=key, value=value) is not None
    return builder


def read(built: bytes) -> Iterator[Any]:
    records = MemoryRecords(built)
    batch = records.next_batch()
    assert batch.validate_crc()
    assert not records.has_next()
    return iter(batch)
