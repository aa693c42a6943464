"""What a read_committed subscriber saw, against the naive model on the committed inputs."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from unittest.mock import patch

from aiokafka import TopicPartition

from schemas.alerts import read_alert
from schemas.jsontext import dump
from schemas.records import Record
from schemas.times import rfc3339
from streams.state.changelog import HEADER_KEY
from streams.state.header import decode_header
from tests.property import values
from tests.property.feeder import ALERTS, DEAD_LETTERS
from tests.property.logs import BASE_MS
from tests.property.model import Terms, verdicts
from tests.property.values import TOPICS
from tests.simulation.log import Log

AFTER_ALL_MS: Final = BASE_MS + 1_000_000_000

Told = tuple[str, bytes]  # ce_time, value.


@dataclass
class Findings:
    """What is wrong, by kind; nothing of it may be there."""

    lost: list[Any] = field(default_factory=list)
    repeated: list[Any] = field(default_factory=list)
    false: list[Any] = field(default_factory=list)
    different: list[Any] = field(default_factory=list)
    misordered: list[Any] = field(default_factory=list)
    letters: list[Any] = field(default_factory=list)  # Lost, repeated or false dead letters.
    unread: list[Any] = field(default_factory=list)  # Good + dead letters is not what came in.
    broken: list[Any] = field(default_factory=list)  # Errors that no fault explains.
    hung: bool = False
    alerts: int = 0

    @property
    def wrong(self) -> dict[str, Any]:
        """The kinds that were found."""
        return {
            name: found for name, found in vars(self).items() if found and name not in ("alerts",)
        }


@dataclass(frozen=True)
class Expected:
    """One partition's right answer."""

    alerts: dict[str, list[Told]]
    letters: Counter[tuple[int, int]]
    ends: tuple[int, int]  # Where both inputs' last committed records end.


class Auditor:
    """Begins when the inputs are complete."""

    def __init__(self, log: Log, terms: Terms, partitions: int) -> None:
        self._log = log
        self._expected = [_expected(log, terms, number) for number in range(partitions)]

    def is_settled(self) -> bool:
        """Whether everything is there that has to be."""
        return all(
            len(self._read(ALERTS, number)) >= sum(map(len, right.alerts.values()))
            and len(self._read(DEAD_LETTERS, number)) >= right.letters.total()
            and not self._unread(number, right)
            for number, right in enumerate(self._expected)
        )

    def findings(self) -> Findings:
        """The comparison."""
        found = Findings()
        for number, right in enumerate(self._expected):
            self._compare_alerts(number, right, found)
            letters = Counter(map(_letter, self._read(DEAD_LETTERS, number)))
            if letters != right.letters:
                found.letters.append((number, letters - right.letters, right.letters - letters))
            found.unread += self._unread(number, right)
        return found

    def _compare_alerts(self, number: int, right: Expected, found: Findings) -> None:
        told: dict[str, list[Told]] = {}
        for record in self._read(ALERTS, number):
            told.setdefault((record.key or b"").decode(), []).append(_told(record))
            found.alerts += 1
        for order_id in sorted(told.keys() | right.alerts.keys()):
            want, have = right.alerts.get(order_id, []), told.get(order_id, [])
            if want != have:
                _sort_out(want, have, found)

    def _unread(self, number: int, right: Expected) -> list[Any]:
        headers = [r for r in self._read("changelog", number) if r.key == HEADER_KEY]
        if not headers or headers[-1].value is None:
            return [(number, "no header")]
        header = decode_header(headers[-1].value)
        reached = tuple(side.next_offset for side in header.progress())
        pairs = zip(reached, right.ends, strict=True)
        return [(number, reached, right.ends)] if any(at < end for at, end in pairs) else []

    def _read(self, topic: str, number: int) -> list[Record]:
        return self._log.of(TopicPartition(topic, number)).committed()


def _expected(log: Log, terms: Terms, number: int) -> Expected:
    submitted, returned = (log.of(TopicPartition(topic, number)).committed() for topic in TOPICS)
    with patch.object(values, "PARTITION", number):  # The model knows one partition only.
        right = verdicts((submitted, returned), terms, frontier_ms=AFTER_ALL_MS)
    alerts = {
        order_id: [(rfc3339(told.effect_ms), dump(told.value)) for told in many]
        for order_id, many in right.alerts.items()
    }
    ends = (_end(submitted), _end(returned))
    return Expected(alerts, Counter(right.dead_letters), ends)


def _end(records: list[Record]) -> int:
    return records[-1].offset + 1 if records else 0


def _sort_out(want: list[Told], have: list[Told], found: Findings) -> None:
    wanted = {_id(told): told for told in want}
    times = Counter(map(_id, have))
    found.lost += [wanted[name] for name in wanted if name not in times]
    found.repeated += [(name, count) for name, count in times.items() if count > 1]
    found.false += [told for told in have if _id(told) not in wanted]
    changed = list(_changed(wanted, have))
    found.different += changed
    in_order = [told for told in want if _id(told) in times]
    if not changed and Counter(want) == Counter(have) and in_order != have:
        found.misordered.append((want, have))


def _changed(wanted: dict[str, Told], have: list[Told]) -> Iterator[tuple[Told, Told]]:
    for told in have:
        right = wanted.get(_id(told))
        if right is not None and right != told:
            yield right, told


def _told(record: Record) -> Told:
    headers = {name: value.decode() for name, value in record.headers}
    assert record.value is not None
    assert headers["ce_id"] == read_alert(record.value)["alert_id"]
    return headers["ce_time"], record.value


def _id(told: Told) -> str:
    return read_alert(told[1])["alert_id"]


def _letter(record: Record) -> tuple[int, int]:
    headers = {name: value.decode() for name, value in record.headers}
    side = TOPICS.index(headers["__streams.errors.topic"])
    return side, int(headers["__streams.errors.offset"])
