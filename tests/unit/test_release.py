"""Which release of Kafka a broker is told to be."""

import pytest

from streams.release import release_of


@pytest.mark.parametrize(
    "level, release",
    [(7, "3.3"), (9, "3.5"), (22, "4.0"), (25, "4.0"), (30, "4.3"), (31, "later than 4.3")],
)
def test_the_metadata_version_tells_the_release(level: int, release: str) -> None:
    assert release_of({}, level) == release


@pytest.mark.parametrize(
    "versions, release",
    [
        ({0: (0, 11), 1: (0, 17)}, "3.9 or later"),
        ({0: (0, 11), 1: (0, 16)}, "3.8"),
        ({0: (0, 9), 1: (0, 13), 11: (0, 9), 29: (0, 3)}, "3.3 or 3.4"),
        ({0: (0, 9), 1: (0, 12), 2: (0, 6)}, "2.8"),
        ({0: (0, 8), 1: (0, 11)}, "before 2.8"),
        ({}, "before 2.8"),
    ],
)
def test_without_one_it_is_the_newest_whose_versions_the_broker_speaks(
    versions: dict[int, tuple[int, int]], release: str
) -> None:
    assert release_of(versions, None) == release
