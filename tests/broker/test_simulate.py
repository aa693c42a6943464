"""`returnwatch simulate`: into files that `send` takes, with their labels."""

import json
from collections import Counter
from operator import itemgetter
from pathlib import Path
from typing import Final

import pytest

from tests.broker.records import read_all
from tests.broker.shell import Shell
from tests.broker.topics import Names, create_topics

FAULT: Final = "system_failure,provider=acme,start=5,seconds=8"
SUBMISSION_SAYS: Final = itemgetter("provider", "merchant", "kind", "amount_minor", "currency")
RETURN_SAYS: Final = itemgetter("provider", "outcome")


def test_files_hold_what_send_takes_and_the_same_seed_makes_the_same_faults(
    tmp_path: Path,
) -> None:
    shell = Shell({}, tmp_path)
    options = ("--seconds", "20", "--orders-per-s", "10", "--seed", "7", "--fault", FAULT)

    ended = shell.run("simulate", *options, "--into", "made")

    assert ended.status == 0, ended.err
    (label,) = json.loads((tmp_path / "made/labels.json").read_text())
    assert (label["cause"], label["scope"]["provider"]) == ("system_failure", "acme")
    assert label["until_ms"] - label["from_ms"] == 8_000
    lines = (tmp_path / "made/order-submitted.jsonl").read_text().splitlines()
    sent = [json.loads(line) for line in lines]
    back = (tmp_path / "made/order-returned.jsonl").read_text()
    out = [
        order["order_id"]
        for order in sent
        if order["provider"] == "acme"
        and label["from_ms"] + 1_500 < order["submitted_at"]
        and order["submitted_at"] < label["until_ms"] - 1_500
    ]
    assert len(sent) > 100
    assert out
    assert not any(f'"{order_id}"' in back for order_id in out)


@pytest.mark.real_kafka
def test_the_topics_get_what_files_of_the_seed_get_and_each_record_at_its_time(
    bootstrap: str, names: Names, tmp_path: Path
) -> None:
    create_topics(bootstrap, names.topics(2))
    shell = Shell(names.env(bootstrap), tmp_path)
    options = ("--seconds", "3", "--orders-per-s", "20", "--faults", "0", "--seed", "7")

    ended = shell.run("simulate", *options)
    written = shell.run("simulate", *options, "--into", "made")

    assert (ended.status, ended.out, written.status) == (0, "", 0), ended.err + written.err
    for topic, name, said in (
        (names.submitted, "order-submitted", SUBMISSION_SAYS),
        (names.returned, "order-returned", RETURN_SAYS),
    ):
        stored = read_all(bootstrap, topic)
        events = [json.loads(record.value or b"") for record in stored]
        lines = (tmp_path / f"made/{name}.jsonl").read_text().splitlines()
        assert len(lines) > 20
        assert Counter(map(said, events)) == Counter(map(said, map(json.loads, lines)))
        assert all(
            record.timestamp_ms >= event[f"{name.removeprefix('order-')}_at"]
            for record, event in zip(stored, events, strict=True)
        )


@pytest.mark.parametrize(
    "fault, said",
    [
        ("flood", "'flood' is no cause"),
        ("network,where=here", "'where' is not known"),
        ("network,start=soon", "are numbers"),
        ("network,start=99", "start must lie within --seconds 20"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_in_one_sentence(
    fault: str, said: str, tmp_path: Path
) -> None:
    ended = Shell({}, tmp_path).run("simulate", "--seconds", "20", "--fault", fault)

    (sentence,) = ended.complaints()
    assert (ended.status, said in sentence) == (2, True), sentence
