"""msgspec may take only what pydantic takes, as the same; what it refuses is pydantic's to read."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import ValidationError

from schemas import codec
from schemas import mistakes as contracts
from schemas.codec import quick_return, quick_submission
from tests.events import fields_of, read_submission
from tests.unit.schemas.samples import RETURN, SUBMISSION, record_of

QUICK = [
    (quick_submission, contracts.SUBMISSION, SUBMISSION),
    (quick_return, contracts.RETURN, RETURN),
]
each_quick = pytest.mark.parametrize("quick, contract, fields", QUICK)
oddities = st.sampled_from(
    [
        *(b"1.0", b"1e0", b"1E400", b"-0", b"NaN", b"true", b"null", b'"1"', b"01", b"+1", b"1."),
        *(b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809", b"1" * 40),
        *(b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\\u0000"', b'"\xff"', b'"\xc3\xa4"', b'"\x01"'),
        *(b"[]", b"[[1,2],{}]", b"[1,]", b'{"a":1,"a":2}', b"[" * 150 + b"]" * 150),
        *(b'"EUR"', b'"eur"', b'"E1R"', b'"\xc3\x84\xc3\x84\xc3\x84"', b'"' + b"x" * 65 + b'"'),
    ]
)
extra_names = st.sampled_from(["zzz", "slips", "traceparent", "ord\\u0065r_id", "\\ud800"])
spaces = st.sampled_from([b"", b" ", b"\n\t", b"\xef\xbb\xbf", b"x", b","])


def both(quick: Any, contract: Any, value: bytes) -> tuple[Any, Any]:
    """What msgspec and pydantic make of a value; None for nothing."""
    taken = quick(value)
    try:
        right = contract.adapter.validator.validate_json(value)
    except ValidationError:
        right = None
    given = None if right is None else {it: at for it, at in right.items() if at is not None}
    fields = None if taken is None else fields_of(taken)
    return fields and {name: at for name, at in fields.items() if name != "traceparent"}, given


def odd_object(data: st.DataObject, fields: dict[str, Any]) -> bytes:
    """JSON of some of the fields, with up to three odd members."""
    names = st.sampled_from(sorted(fields)) | extra_names
    left_out = data.draw(st.lists(st.sampled_from(sorted(fields)), unique=True).map(set))
    members = [
        b'"%s":%s' % (name.encode(), json.dumps(fields[name]).encode())
        for name in fields
        if name not in left_out
    ]
    odd = data.draw(st.lists(st.tuples(names, oddities), max_size=3))
    members += [b'"%s":%s' % (name.encode(), value) for name, value in odd]
    return b"{" + b",".join(data.draw(st.permutations(members))) + b"}"


@pytest.fixture(autouse=True, scope="module")
def currencies_are_known() -> None:
    """As after the first record of each: else every one of them would be pydantic's."""
    for money in ("EUR", "USD"):
        read_submission(record_of(SUBMISSION | {"currency": money}))


@each_quick
@settings(max_examples=1_000, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), before=spaces, after=spaces)
def test_what_msgspec_takes_pydantic_takes_as_the_same(
    quick: Any, contract: Any, fields: dict[str, Any], data: st.DataObject, before: Any, after: Any
) -> None:
    value = before + odd_object(data, fields) + after

    taken, right = both(quick, contract, value)

    assert taken is None or taken == right


@each_quick
@given(data=st.data())
def test_what_msgspec_takes_of_a_changed_byte_pydantic_takes_as_the_same(
    quick: Any, contract: Any, fields: dict[str, Any], data: st.DataObject
) -> None:
    value = bytearray(json.dumps(fields).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))

    taken, right = both(quick, contract, bytes(value))

    assert taken is None or taken == right


@each_quick
def test_msgspec_takes_what_is_right_and_short(
    quick: Any, contract: Any, fields: dict[str, Any]
) -> None:
    names = fields.keys() - {"message"}
    value = json.dumps({name: fields[name] for name in fields if name in names}).encode()

    taken, right = both(quick, contract, value)

    assert taken == right
    assert taken is not None


READERS = [
    (codec.read_submissions, codec.read_submission, SUBMISSION),
    (codec.read_returns, codec.read_return, RETURN),
]


@pytest.mark.parametrize("read_batch, read_one, fields", READERS)
@pytest.mark.parametrize("moment", [2**63 - 1, 2**63, 2**64, 10**40])
@pytest.mark.parametrize("timestamp_ms", [0, 2**63 - 1])
def test_a_moment_beyond_any_clock_is_read_by_all_alike(
    read_batch: Any, read_one: Any, fields: dict[str, Any], moment: int, timestamp_ms: int
) -> None:
    name = "submitted_at" if "submitted_at" in fields else "returned_at"
    record = replace(record_of(fields | {name: moment}), timestamp_ms=timestamp_ms)

    assert read_batch([record]) == [read_one(record)]


@pytest.mark.parametrize("read_batch, read_one, fields", READERS)
@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_batch_reads_as_its_records_do_one_by_one(
    read_batch: Any, read_one: Any, fields: dict[str, Any], data: st.DataObject
) -> None:
    plain = record_of(fields)
    records = [
        replace(
            plain,
            value=data.draw(st.none() | st.just(odd_object(data, fields))),
            key=data.draw(st.sampled_from([plain.key, b"other", None])),
            timestamp_ms=data.draw(st.sampled_from([plain.timestamp_ms, -1])),
            headers=data.draw(st.sampled_from([(), (("traceparent", b"00-1"),)])),
        )
        for _ in range(3)
    ]

    assert read_batch([plain, *records]) == [read_one(record) for record in (plain, *records)]
