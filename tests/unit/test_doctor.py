"""What the doctor says of what it was told, without a broker."""

import pytest

from streams.doctor import State, as_found, release_of
from streams.settings import Settings
from streams.topics import Found, findings, wanted_topics

SETTINGS = Settings()


@pytest.mark.parametrize(
    "versions, release",
    [
        ({0: (3, 13), 1: (4, 18)}, "4.1 or later"),
        ({0: (3, 12), 1: (4, 17)}, "4.0"),
        ({0: (0, 11), 1: (0, 17)}, "3.9"),
        ({0: (0, 11), 1: (0, 16)}, "3.8"),
        ({0: (0, 9), 1: (0, 13), 11: (0, 9), 29: (0, 3)}, "3.3 or 3.4"),
        ({0: (0, 9), 1: (0, 12), 2: (0, 6)}, "2.8"),
        ({0: (0, 8), 1: (0, 11)}, "before 2.8"),
        ({}, "before 2.8"),
    ],
)
def test_the_release_is_the_newest_whose_versions_the_broker_speaks(
    versions: dict[int, tuple[int, int]], release: str
) -> None:
    assert release_of(versions) == release


def test_the_topics_are_told_inputs_first_however_they_were_found() -> None:
    names = [topic.name for topic in wanted_topics(SETTINGS)]
    found = {name: Found(name, 1, 2, {}) for name in reversed(names)}
    wrong = findings(SETTINGS, found)

    checks = list(as_found(SETTINGS, found, list(reversed(wrong))))

    assert [check.subject for check in checks] == names
    assert [check.seen for check in checks if check.state is State.OK] == [
        "1 partition, 2 replicas"
    ] * (len(names) - len(wrong))
