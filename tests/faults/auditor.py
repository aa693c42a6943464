"""The auditor: what had to be told by the inputs, held against what a subscriber saw.

Reads with read_committed, knows the wire contract and the design's text, and nothing of the
worker that decided.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from tests.broker.records import StoredRecord, read_all
from tests.broker.topics import Names
from tests.faults.log import InputLog, read_inputs
from tests.faults.verdicts import Due, Terms
from tests.faults.wording import moment

SHOWN_MAX: Final = 12
BEHIND: Final = "returnwatch-behind-frontier"


@dataclass(slots=True)
class Report:
    """What came of a scenario; each finding is a sentence, and there should be none."""

    orders: int = 0
    records: int = 0
    alerts: int = 0
    letters: int = 0
    behind: int = 0  # Alerts and dead letters whose cause came in behind the frontier.
    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    misordered: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    delays: list[tuple[int, int]] = field(default_factory=list)  # (allowed at, late by), in ms.

    @property
    def findings(self) -> dict[str, list[str]]:
        """By kind; empty when all is well."""
        kinds = ("lost", "repeated", "false", "different", "misordered", "unread")
        return {kind: found for kind in kinds if (found := getattr(self, kind))}

    def latest_ms(self, since_ms: int = 0) -> int:
        """The longest delay among the alerts that were allowed since then."""
        return max((late for at, late in self.delays if at >= since_ms), default=0)

    def __str__(self) -> str:
        lines = [
            f"{self.orders} orders, {self.records} records, {self.alerts} alerts, "
            f"{self.letters} dead letters, {self.behind} behind the frontier, "
            f"latest {self.latest_ms()} ms"
        ]
        for kind, found in self.findings.items():
            lines.append(f"{kind}: {len(found)}")
            lines += [f"    {sentence}" for sentence in found[:SHOWN_MAX]]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Auditor:
    """Audits one scenario's topics."""

    bootstrap: str
    names: Names
    partitions: int
    terms: Terms

    def inputs(self) -> InputLog:
        """The inputs as they stand."""
        return read_inputs(self.bootstrap, self.names, partitions=self.partitions, terms=self.terms)

    def missing(self, log: InputLog) -> int:
        """How many alerts, dead letters and logs worked to their end are still to come."""
        told = {record.key_id for record in map(Seen, read_all(self.bootstrap, self.names.alerts))}
        due = {due.alert_id for due in log.due}
        letters = len(log.letters) - len(read_all(self.bootstrap, self.names.dead_letters))
        return len(due - told) + max(letters, 0) + len(self.unread(log))

    def audit(self, log: InputLog) -> Report:
        """The whole comparison."""
        report = Report(orders=log.orders, records=log.records)
        seen = [Seen(record) for record in read_all(self.bootstrap, self.names.alerts)]
        self._compare_alerts(log, seen, report)
        self._compare_letters(log, read_all(self.bootstrap, self.names.dead_letters), report)
        report.unread = self.unread(log)
        return report

    def _compare_alerts(self, log: InputLog, seen: list["Seen"], report: Report) -> None:
        report.alerts = len(seen)
        report.behind += sum(BEHIND in alert.headers for alert in seen)
        due = {due.alert_id: due for due in log.due}
        told = Counter(alert.key_id for alert in seen)
        report.lost += [str_of(due[missing]) for missing in due.keys() - told.keys()]
        report.repeated += [
            f"{alert_id} {count} times: {str_of(due[alert_id]) if alert_id in due else 'false'}"
            for alert_id, count in told.items()
            if count > 1
        ]
        for alert in seen:
            if (expected := due.get(alert.key_id)) is None:
                report.false.append(f"{alert.record.key!r} {alert.record.value!r}")
                continue
            report.different += alert.differences(expected, self.names.app_id)
            at = log.allowed_ms(expected.partition, expected.effect_ms)
            report.delays.append((at, alert.record.timestamp_ms - at))
        report.misordered += misordered(list(due.values()), seen)

    def _compare_letters(self, log: InputLog, letters: list[StoredRecord], report: Report) -> None:
        report.letters = len(letters)
        told = Counter(origin_of(letter) for letter in letters)
        report.lost += [f"dead letter of {at}" for at in log.letters.keys() - told.keys()]
        report.false += [f"dead letter of {at}" for at in told.keys() - log.letters.keys()]
        report.repeated += [f"dead letter of {at}" for at, count in told.items() if count > 1]
        for letter in letters:
            report.behind += BEHIND in dict(letter.headers)
            source = log.letters.get(origin_of(letter))
            kept = letter.headers[: len(source.headers)] if source else []
            same = source and (source.key, source.value) == (letter.key, letter.value)
            if source and not (same and kept == source.headers):
                report.different.append(f"dead letter of {origin_of(letter)}")

    def unread(self, log: InputLog) -> list[str]:
        """Good and dead letters together are what was read, and that is all there is."""
        headers: dict[int, Any] = {}
        for record in read_all(self.bootstrap, self.names.changelog):
            if record.key == b"h":
                headers[record.partition] = json.loads(record.value or b"{}")
        unread = []
        for (partition, side), end in log.ends().items():
            name = ("submitted", "returned")[side]
            at = headers.get(partition, {}).get(name, {}).get("next_offset", 0)
            if at < end:
                unread.append(f"{name} partition {partition} up to {at} of {end}")
        return unread


class Seen:
    """An alert as the subscriber saw it."""

    def __init__(self, record: StoredRecord) -> None:
        self.record = record
        self.headers = dict(record.headers)
        self.value: dict[str, Any] = json.loads(record.value or b"{}")
        self.key_id: str = self.value.get("alert_id", "")

    def differences(self, due: Due, app_id: str) -> list[str]:
        """What is not as it had to be, in sentences."""
        found = []
        if self.record.value != due.value:
            found.append(f"value is {self.record.value!r}, not {due.value!r}")
        if (self.record.key, self.record.partition) != (due.order_id.encode(), due.partition):
            found.append(f"{due.alert_id} stands at {self.record.key!r}/{self.record.partition}")
        for name, text in headers_of(due, app_id).items():
            value = self.headers.get(name)
            if value != (None if text is None else text.encode()):
                found.append(f"{due.alert_id} header {name} is {value!r}, not {text!r}")
        return found


def headers_of(due: Due, app_id: str) -> dict[str, str | None]:
    """The headers that are part of the promise."""
    return {
        "ce_specversion": "1.0",
        "ce_id": due.alert_id,
        "ce_source": f"/returnwatch/{app_id}",
        "ce_type": f"returnwatch.order.{due.type}.v1",
        "ce_time": moment(due.effect_ms),
        "ce_subject": due.order_id,
        "content-type": "application/json",
        "traceparent": due.traceparent,
    }


def misordered(due: list[Due], seen: list[Seen]) -> list[str]:
    """Orders whose alerts, first of each, did not come in their order."""
    wanted: dict[str, list[str]] = defaultdict(list)
    came: dict[str, list[str]] = defaultdict(list)
    for expected in due:
        wanted[expected.order_id].append(expected.alert_id)
    known = {expected.alert_id for expected in due}
    for alert in seen:
        of_order = came[str(alert.value.get("order_id"))]
        if alert.key_id in known and alert.key_id not in of_order:
            of_order.append(alert.key_id)
    return [
        f"{order_id}: {came[order_id]}, not {ids}"
        for order_id, ids in wanted.items()
        if came[order_id] != [one for one in ids if one in came[order_id]]
    ]


def origin_of(letter: StoredRecord) -> tuple[str, int, int]:
    """Where a dead letter was read."""
    headers = dict(letter.headers)
    topic, partition, offset = (
        headers[f"__streams.errors.{name}"] for name in ("topic", "partition", "offset")
    )
    return topic.decode(), int(partition), int(offset)


def str_of(due: Due) -> str:
    return f"{due.type} of {due.order_id}, partition {due.partition}, due {moment(due.effect_ms)}"
