"""What is read of a plain record where it lies is what the codec reads of it."""

import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from schemas.codec import read_return, read_submission
from schemas.records import RETURNED, SUBMITTED, Record, Unreadable
from tests.unit.schemas.samples import NOW_MS, RETURN, SUBMISSION, raw_record, record_of
from tests.unit.schemas.test_quick import odd_object, spaces
from tests.unit.test_blocks import batch_of

values = pytest.importorskip("streams.core.compiled.values", reason="there was no C compiler")
blocks = pytest.importorskip("streams.core.compiled.blocks")

each_side = pytest.mark.parametrize(
    "side, fields", [(SUBMITTED, SUBMISSION), (RETURNED, RETURN)], ids=["submitted", "returned"]
)


def both(record: Record, side: int) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """What is read where it lies, None if it is not plain, and what the codec reads."""
    event = (read_submission, read_return)[side](record)
    plain = plain_of(record, side)
    if isinstance(event, Unreadable):
        return plain, None
    read = asdict(event)
    assert read.pop("order_id").encode() == record.key
    if not read.get("slips"):  # A plain record has none.
        read.pop("slips", None)
    return plain, read


def plain_of(record: Record, side: int) -> dict[str, Any] | None:
    """What is read of it as it lies in a fetched batch."""
    times = (record.timestamp_ms, 1)
    batch = batch_of([(record.key, record.value, list(record.headers), *times)], record.offset)
    block = blocks.Block()
    block.add_batch(batch, 0, 0, lambda *_: b"")
    return values.plain_of(block, side)


@each_side
@settings(max_examples=3_000, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), before=spaces, after=spaces)
def test_of_odd_members_in_any_order_it_is_the_same(
    side: int, fields: dict[str, Any], data: st.DataObject, before: bytes, after: bytes
) -> None:
    plain = record_of(fields)
    record = replace(
        plain,
        value=before + odd_object(data, fields) + after,
        key=data.draw(st.sampled_from([plain.key, plain.key, b"other", None])),
        timestamp_ms=data.draw(st.sampled_from([plain.timestamp_ms, plain.timestamp_ms, -1])),
        headers=data.draw(st.sampled_from([(), (), (("traceparent", b"00-1"),)])),
    )

    found, read = both(record, side)

    assert found is None or found == read


@each_side
@settings(max_examples=3_000)
@given(data=st.data())
def test_of_changed_bytes_it_is_the_same(
    side: int, fields: dict[str, Any], data: st.DataObject
) -> None:
    value = bytearray(json.dumps(fields).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))

    found, read = both(raw_record(bytes(value)), side)

    assert found is None or found == read


@each_side
@pytest.mark.parametrize("more", [{}, {"x": None, "y": True, "z": -5, "w": "v", "attempt": 255}])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_flat_object_is_plain(
    side: int, fields: dict[str, Any], more: dict[str, Any], indent: int | None
) -> None:
    value = json.dumps(fields | more, indent=indent).encode()

    found, read = both(raw_record(value), side)

    assert found == read
    assert found is not None


@each_side
@pytest.mark.parametrize("left_out", ["attempt", "provider", "return_within_ms", "code"])
def test_what_is_left_out_or_null_is_absent(
    side: int, fields: dict[str, Any], left_out: str
) -> None:
    rest = {name: value for name, value in fields.items() if name != left_out}

    found, read = both(record_of(rest), side)
    nulled, _ = both(record_of(rest | {left_out: None}), side)

    assert found == read == nulled
    assert found is not None


@each_side
@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 15, 16, 63, 64, 65])
@pytest.mark.parametrize("last", ["", "\x7f", "\x1f", "ä", "\\n", '\\"'])
def test_a_text_is_plain_if_it_is_short_and_of_ascii(
    side: int, fields: dict[str, Any], size: int, last: str
) -> None:
    value = json.dumps(fields | {"provider": "HERE"}).replace("HERE", "x" * size + last)

    found, read = both(raw_record(value.encode()), side)

    assert found is None or found == read
    assert (found is not None) == (last in ("", "\x7f") and size + len(last) <= 64)


@each_side
@pytest.mark.parametrize("name", ["order_id", "attempt", "currency", "provider", "message", "kind"])
def test_of_a_field_that_is_there_twice_the_codec_says_which_counts(
    side: int, fields: dict[str, Any], name: str
) -> None:
    value = json.dumps(fields)[:-1] + f', "{name}": {json.dumps(fields.get(name))}}}'

    found, _ = both(raw_record(value.encode()), side)

    assert (found is None) == (name in fields)


@each_side
@pytest.mark.parametrize(
    "number",
    [0, -1, 10**17, 10**18, -(10**18), 2**63 - 1, 2**63, -(2**63), "-0", "01", "1.0", "1e3"],
)
@pytest.mark.parametrize("name", ["amount_minor", "attempt", "submitted_at", "returned_at"])
def test_a_number_is_read_alike(
    side: int, fields: dict[str, Any], name: str, number: int | str
) -> None:
    value = json.dumps(fields | {name: "HERE"}).replace('"HERE"', str(number))

    found, read = both(raw_record(value.encode()), side)

    assert found is None or found == read


@each_side
@pytest.mark.parametrize("end", range(1, 60))
def test_a_value_that_is_cut_is_not_plain(side: int, fields: dict[str, Any], end: int) -> None:
    value = json.dumps(fields).encode()

    assert plain_of(raw_record(value[:-end]), side) is None


TRACE: Final = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_header_names = st.sampled_from(
    ["traceparent", "TraceParent", "ce_traceparent", "content-type", "Content-Type", "ce_id", ""]
)
_header_values = st.sampled_from(
    [
        *(TRACE, TRACE[:-1] + b"0", TRACE.upper(), b"ff" + TRACE[2:], TRACE + b"0", TRACE[1:]),
        *(TRACE.replace(b"4bf92f3577b34da6a3ce929d0e0e4736", b"0" * 32), TRACE[:-1] + b"g"),
        *(TRACE.replace(b"00f067aa0ba902b7", b"0" * 16), TRACE.replace(b"-01", b"_01"), b""),
        *(b"application/json", b"application/json; charset=utf-8"),
        *(b"application/cloudevents+json", b"Application/CloudEvents+JSON ; x=y"),
    ]
)


@each_side
@settings(max_examples=1_000)
@given(headers=st.lists(st.tuples(_header_names, _header_values), max_size=4))
def test_headers_say_the_same_to_both(
    side: int, fields: dict[str, Any], headers: list[tuple[str, bytes]]
) -> None:
    found, read = both(record_of(fields, headers=tuple(headers)), side)

    assert found is None or found == read
    types = {value for name, value in headers if name.lower() == "content-type"}
    assert (found is not None) == (types <= {b"application/json"})


@each_side
def test_the_headers_of_a_record_that_somebody_has_are_the_codecs(
    side: int, fields: dict[str, Any]
) -> None:
    record = record_of(fields, headers=(("ce_id", b"1"),))

    assert values.plain_of(blocks.Block.of([record]), side) is None


_moments = st.one_of(
    st.integers(946_500_000, 2**33).map(lambda at: f"{datetime.fromtimestamp(at, UTC):%FT%T}"),
    st.tuples(
        st.sampled_from(["2024-02-29", "2023-02-29", "2100-02-29", "2000-02-29", "2026-04-31"])
        | st.builds("20{:02}-{:02}-{:02}".format, *[st.integers(0, 40)] * 3),
        st.builds("T{:02}:{:02}:{:02}".format, *[st.integers(0, 61)] * 3),
    ).map("".join),
)
_fractions = st.sampled_from(["", "", ".", ".5", ".25", ".999", ".1239", ".123456789", ",5"])
_offsets = st.sampled_from(
    ["Z", "z", "+00:00", "-00:00", "+05:30", "-23:59", "+24:00", "+0100", "+01:60", "", " Z"]
)


@each_side
@settings(max_examples=3_000)
@given(moment=_moments, fraction=_fractions, offset=_offsets)
def test_a_time_as_text_is_the_same_moment(
    side: int, fields: dict[str, Any], moment: str, fraction: str, offset: str
) -> None:
    name = "submitted_at" if side == SUBMITTED else "returned_at"
    record = record_of(fields | {name: moment + fraction + offset})
    late = replace(record, timestamp_ms=2**50)

    found, read = both(late, side)

    assert found is None or found == read
    assert (found is None) == (read is None) or offset == "z" or ":60" in moment + offset


@each_side
def test_a_time_as_text_is_plain(side: int, fields: dict[str, Any]) -> None:
    name = "submitted_at" if side == SUBMITTED else "returned_at"

    found, read = both(record_of(fields | {name: "2026-01-01T02:30:00.250+02:30"}), side)

    assert found == read
    assert found is not None
    assert found[name] == NOW_MS + 250
