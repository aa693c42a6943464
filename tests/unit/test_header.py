"""The header of a checkpoint: read again as it was written, or refused with a sentence."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from schemas.records import Record
from streams.core.sequence import Mark
from streams.state.header import (
    FORMAT_VERSION,
    Fingerprint,
    Header,
    Progress,
    StateError,
    checksum,
    decode_header,
    encode_header,
    progress_of,
)

HEADER: Final = Header(
    submitted=Progress(
        7, 1_767_225_600_000, Fingerprint(6, 1_767_225_599_000, 4_294_967_295), "id-s"
    ),
    returned=Progress(0, -1, None),
    frontier_ms=1_767_225_600_123,
    partitions=4,
    policy_digest="ab" * 32,
    segments=(3, 5),
    orders=17,
    entered_inside=True,
    cut_ms=1_767_225_500_000,
    gap_until_ms=1_767_225_400_000,
    worked_at_ms=1_767_225_601_000,
)


def changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(encode_header(HEADER)) | fields).encode()


@pytest.mark.parametrize(
    "header",
    [HEADER, replace(HEADER, entered_inside=False, cut_ms=None), replace(HEADER, frontier_ms=-1)],
)
def test_a_header_comes_back_as_it_was(header: Header) -> None:
    assert decode_header(encode_header(header)) == header


def test_the_format_version_stands_first() -> None:
    assert encode_header(HEADER).startswith(b'{"format_version":%d,' % FORMAT_VERSION)


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 0, "1", None])
def test_a_header_of_another_version_is_refused_with_both_versions(version: Any) -> None:
    with pytest.raises(StateError, match=f"version {version}, this worker writes 2: run the ver"):
        decode_header(changed(format_version=version))


def test_a_newer_header_is_refused_whatever_else_it_holds() -> None:
    with pytest.raises(StateError, match="format version 9"):
        decode_header(b'{"format_version":9,"positions":[1,2]}')


DAMAGED: Final = {
    "empty": b"",
    "cut": encode_header(HEADER)[:-5],
    "not JSON": b"\xff\xfe",
    "an array": b"[1]",
    "a number": b"1",
    "no version": b"{}",
    "a field too few": b'{"format_version":2}',
    "a field too many": changed(colour="red"),
    "no progress": changed(submitted=None),
    "half the segments": changed(segments=[1]),
    "half a progress": changed(submitted={"next_offset": 1}),
    "a strange fingerprint": changed(submitted={"next_offset": 1, "arrival_ms": 1, "last": [1]}),
}


@pytest.mark.parametrize("value", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_header_is_a_state_error_and_never_a_guess(value: bytes) -> None:
    with pytest.raises(StateError, match="header cannot be read"):
        decode_header(value)


def test_a_fingerprint_is_that_of_the_last_record_worked() -> None:
    record = Record(41, 1_000, b"key", b"value", ())

    progress = progress_of(Mark(42, 1_500, record), before=HEADER.submitted)

    last = Fingerprint(41, 1_000, checksum(b"key", b"value"))
    assert progress == Progress(42, 1_500, last, "id-s")


def test_where_nothing_was_worked_since_the_last_fingerprint_stands() -> None:
    progress = progress_of(Mark(9, 1_500), before=HEADER.submitted)

    assert progress == Progress(9, 1_500, HEADER.submitted.last, "id-s")


@pytest.mark.parametrize("other", [(b"k", b"w"), (b"l", b"v"), (None, b"kv"), (b"k", None)])
def test_a_checksum_tells_records_apart(other: tuple[bytes | None, bytes | None]) -> None:
    is_same = checksum(*other) == checksum(b"k", b"v")

    # Key, then value: without a key the same bytes give the same sum, and the offset tells.
    assert is_same == (other == (None, b"kv"))
