"""Whether both topics were partitioned by the same hash, as far as their keys show it."""

from typing import Final

import pytest

from schemas.records import RETURNED, SUBMITTED, Record
from streams.partitioners import KEYS_LOOKED_AT, Finding, Partitioners, partition_by

PARTITIONS: Final = 4


def keys_of(name: str, count: int = 200) -> list[bytes]:
    return [f"{name}-{number}".encode() for number in range(count)]


def look(looked: Partitioners, side: int, keys: list[bytes], *, by: str) -> None:
    """Have the keys looked at where a producer with that hash puts them."""
    for key in keys:
        looked.look_at_keys(side, where(by, key), [key])


def where(by: str, key: bytes) -> int:
    return sum(key) % PARTITIONS if by == "its own" else partition_by(by, key, PARTITIONS)


def looked_at(submitted_by: str, returned_by: str, count: int = 200) -> Partitioners:
    looked = Partitioners(PARTITIONS)
    look(looked, SUBMITTED, keys_of("a", count), by=submitted_by)
    look(looked, RETURNED, keys_of("a", count), by=returned_by)
    return looked


@pytest.mark.parametrize(
    "key, murmur2",
    # As Java's own tests have them: Utils.murmur2 in UtilsTest.testMurmur2, masked, of 1,000.
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_murmur2_is_javas(key: bytes, murmur2: int) -> None:
    assert partition_by("murmur2", key, 1_000) == (murmur2 & 0x7FFFFFFF) % 1_000


@pytest.mark.parametrize("by", ["murmur2", "crc32"])
def test_the_same_hash_in_both_topics_is_seen(by: str) -> None:
    assert looked_at(by, by).finding() is Finding.SAME


@pytest.mark.parametrize(
    "submitted_by, returned_by",
    [("murmur2", "crc32"), ("crc32", "murmur2"), ("murmur2", "its own"), ("its own", "crc32")],
)
def test_a_hash_that_only_one_topic_fits_is_a_difference(
    submitted_by: str, returned_by: str
) -> None:
    assert looked_at(submitted_by, returned_by).finding() is Finding.DIFFERENT


def test_a_hash_that_is_known_in_neither_topic_proves_nothing() -> None:
    assert looked_at("its own", "its own").finding() is Finding.UNPROVEN


@pytest.mark.parametrize("count, finding", [(19, Finding.UNPROVEN), (20, Finding.DIFFERENT)])
def test_below_20_keys_nothing_is_known(count: int, finding: Finding) -> None:
    assert looked_at("murmur2", "crc32", count).finding() is finding


def test_one_topic_with_enough_keys_is_not_enough() -> None:
    looked = Partitioners(PARTITIONS)
    look(looked, SUBMITTED, keys_of("a"), by="murmur2")

    assert looked.finding() is Finding.UNPROVEN


def test_the_same_key_again_is_no_further_evidence() -> None:
    looked = Partitioners(PARTITIONS)
    for side in (SUBMITTED, RETURNED):
        look(looked, side, [b"k"] * 100, by="murmur2")

    assert looked.finding() is Finding.UNPROVEN


def test_one_key_in_twenty_may_stand_elsewhere() -> None:
    looked = Partitioners(PARTITIONS)
    for side in (SUBMITTED, RETURNED):
        keys = keys_of("a", 20)
        look(looked, side, keys[1:], by="murmur2")
        elsewhere = (where("murmur2", keys[0]) + 1) % PARTITIONS
        looked.look_at_keys(side, elsewhere, keys[:1])

    assert looked.finding() is Finding.SAME
    assert looked.describe(SUBMITTED).startswith("19 of 20 keys fit murmur2")


def test_with_one_partition_it_is_proven_before_any_key() -> None:
    assert Partitioners(1).finding() is Finding.SAME


def test_after_50_distinct_keys_of_a_topic_partition_no_more_are_looked_at() -> None:
    looked = Partitioners(PARTITIONS)
    records = [Record(at, 0, key, None, ()) for at, key in enumerate(keys_of("a", 70))]

    looks = [looked.look(SUBMITTED, 0, records), looked.look(SUBMITTED, 0, records)]

    assert looks == [True, False]
    assert f" of {KEYS_LOOKED_AT} keys fit crc32" in looked.describe(SUBMITTED)


def test_records_without_a_key_are_passed_over() -> None:
    looked = Partitioners(PARTITIONS)

    looked.look(RETURNED, 2, [Record(0, 0, None, b"{}", ())])

    assert looked.describe(RETURNED).startswith("0 of 0 keys")
