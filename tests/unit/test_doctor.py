"""What the doctor says of what it was told, without a broker."""

import pytest

from streams.core import compiled
from streams.doctor import State, as_found, configuration
from streams.settings import Settings
from streams.topic_findings import findings
from streams.topics import Found, wanted_topics

SETTINGS = Settings()


def test_the_topics_are_told_inputs_first_however_they_were_found() -> None:
    names = [topic.name for topic in wanted_topics(SETTINGS)]
    found = {name: Found(name, 1, 2, {}) for name in reversed(names)}
    wrong = findings(SETTINGS, found)

    checks = list(as_found(SETTINGS, found, list(reversed(wrong))))

    assert [check.subject for check in checks] == names
    assert [check.seen for check in checks if check.state is State.OK] == [
        "1 partition, 2 replicas"
    ] * (len(names) - len(wrong))


def test_a_core_that_was_not_compiled_is_a_warning_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiled, "lane", None)

    *_, last = configuration(SETTINGS)

    assert (last.subject, last.state) == ("compiled core", State.WARNING)
    assert "C compiler" in last.fix
