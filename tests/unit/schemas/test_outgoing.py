"""The key and headers of a value on its way to a topic."""

import pytest

from schemas.outgoing import outgoing

STRUCTURED = (("content-type", b"application/cloudevents+json"),)


@pytest.mark.parametrize(
    "value, key",
    [
        (b'{"order_id":"a"}', b"a"),
        (b'{"order_id":"a","order_id":"b"}', b"b"),
        ('{"order_id":"ünï"}'.encode(), "ünï".encode()),
        (b'{"order_id":"\\ud83d"}', None),
        (b'{"order_id":1}', None),
        (b'{"data":{"order_id":"a"}}', None),
        (b'["order_id"]', None),
        (b"\xff", None),
        (b"", None),
        (b'{"order_id":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
    ],
    ids=range(10),
)
def test_a_value_is_keyed_with_its_order_id_if_it_has_one(value: bytes, key: bytes | None) -> None:
    assert outgoing(value) == (key, value, ())


@pytest.mark.parametrize(
    "data, key",
    [(b',"data":{"order_id":"a"}', b"a"), (b',"data":[]', None), (b"", None)],
)
def test_a_cloud_event_is_keyed_with_the_order_id_of_its_data(
    data: bytes, key: bytes | None
) -> None:
    event = b'{"specversion":"1.0"' + data + b"}"

    assert outgoing(event) == (key, event, STRUCTURED)


def test_an_order_that_has_a_specversion_is_no_cloud_event() -> None:
    value = b'{"order_id":"a","specversion":"1.0"}'

    assert outgoing(value) == (b"a", value, ())
