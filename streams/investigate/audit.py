"""Audit: what was told of a stretch against what should have been, and how its orders ended."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final

import orjson

from schemas.alerts import Alert, alert_headers, encode_alert
from schemas.times import DAY_MS
from streams.core.rules import Policy, policy_from_text
from streams.core.sequence import NEVER_MS
from streams.investigate.changelogs import changelog_partitions, partition_states
from streams.investigate.inputs import OnRead, read_portions
from streams.investigate.judge import Judge
from streams.investigate.ledger import Excuses, Judgement, Ledger, Line
from streams.investigate.reading import Reading
from streams.investigate.reigns import Reigns, histories
from streams.investigate.statement import Statement, Totals
from streams.investigate.stretch import Portion, read_back_ms
from streams.investigate.told import Told, told_since
from streams.settings import Settings
from streams.state.header import Header
from streams.watch import Duty

FRAME: Final = (
    *("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"),
    *("content-type", "traceparent"),
)
# Rules may have changed before the stretch: so far back alerts are asked under which they stood.
RULES_BACK_MS: Final = DAY_MS


@dataclass(frozen=True, slots=True)
class Known:
    """What the changelog says of a partition number."""

    header: Header
    policies: Mapping[str, Policy]


async def known_partitions(settings: Settings) -> dict[int, Known]:
    """Of each partition number that has state; NoChangelog, StateError, BrokerUnavailable."""
    known: dict[int, Known] = {}
    count = await changelog_partitions(settings)
    async for partition, state in partition_states(settings, count):
        if state.header is not None:
            texts = state.policies.items()
            policies = {digest: policy_from_text(text) for digest, text in texts}
            known[partition] = Known(state.header, policies)
    return known


def longest_back_ms(known: Mapping[int, Known]) -> int:
    """How far back to read whatever policy was in force."""
    policies = (policy for it in known.values() for policy in it.policies.values())
    return max(map(read_back_ms, policies), default=0)


def bounded(portion: Portion, known: Known) -> Portion:
    """Nothing is asked of the worker beyond what it has decided."""
    return replace(portion, to_ms=min(portion.to_ms, known.header.frontier_ms))


@dataclass(slots=True)
class Audited:
    """What an audit came to."""

    judgement: Judgement
    totals: Totals
    held: list[str]
    records: int = 0
    behind: int = 0  # Alerts whose cause came in behind the frontier.
    changes: int = 0  # Partition numbers whose rules changed in the stretch.


@dataclass(slots=True)
class Audit:
    """Of these portions, all bounded, of partition numbers that are known."""

    settings: Settings
    duty: Duty
    portions: Sequence[Portion]
    known: Mapping[int, Known]
    _excused: set[str] = field(default_factory=set)
    _reigns: dict[int, Reigns] = field(default_factory=dict)

    async def run(self, folder: Path, statement: IO[bytes], *, on_read: OnRead) -> Audited:
        """Read the alerts, then the inputs, then judge; the orders' ends go to `statement` as JSON
        lines. Raises what `told_since` and `read_portions` do."""
        with ExitStack() as stack:
            ledger = stack.enter_context(Ledger(folder / "audit.db"))
            await self._take_told(ledger)
            totals = Totals()
            clerks = [
                self._clerk(portion, ledger, totals, statement=statement)
                for portion in self.portions
            ]
            readings = [clerk.reading for clerk in clerks]
            options = self.settings.kafka_client_options()
            held = await read_portions(options, self.duty, readings, on_read=on_read)
            for clerk in clerks:
                clerk.statement.finish(clerk.judges[0].tracker.book.orders)
            accounts = {it.reading.portion.partition: len(it.judges) for it in clerks}
            judgement = ledger.judge(accounts, Excuses(self._doubtful(), self._excused))
        return Audited(
            judgement,
            totals,
            held,
            records=sum(reading.records for reading in readings),
            behind=len(self._excused),
            changes=sum(len(it.judges[0].timeline.later) > 0 for it in clerks),
        )

    async def _take_told(self, ledger: Ledger) -> None:
        portions = {portion.partition: portion for portion in self.portions}
        self._reigns = {number: Reigns(self.known[number].policies) for number in portions}
        begins = [NEVER_MS if it.entered_ms is None else it.entered_ms for it in self.portions]
        since_ms = min(begins, default=NEVER_MS) - RULES_BACK_MS
        options = self.settings.kafka_client_options()
        async for told in told_since(options, self.settings.alerts_topic, since_ms):
            portion = portions.get(told.partition)
            if portion is None:
                continue
            self._reigns[told.partition].note(told)
            if portion.from_ms <= told.moment_ms < portion.to_ms:
                line = _line_of(told)
                ledger.tell(line)
                if "returnwatch-behind-frontier" in told.headers:
                    self._excused.add(line.alert_id)

    def _clerk(
        self, portion: Portion, ledger: Ledger, totals: Totals, *, statement: IO[bytes]
    ) -> "_Clerk":
        known = self.known[portion.partition]
        place = self.duty.place(portion.partition)
        source = f"/returnwatch/{self.duty.app_id}"
        judges: list[Judge] = []
        for timeline in self._reigns[portion.partition].timelines(known.header):
            for history in histories(portion.history, known.header):
                tell = _Expected(ledger, len(judges), portion.partition, source).tell
                judges.append(Judge(place, replace(portion, history=history), timeline, tell))
        account = Statement(portion, totals, statement)
        judges[0].account = account
        return _Clerk(Reading(portion, judges), judges, account)

    def _doubtful(self) -> dict[int, int]:
        """Until when too little is known, where retention has cut the start."""
        back_ms = longest_back_ms(self.known)
        return {
            it.partition: (it.history.cut_ms or 0) + back_ms for it in self.portions if it.notes
        }


@dataclass(frozen=True, slots=True)
class _Clerk:
    reading: Reading
    judges: list[Judge]
    statement: Statement


@dataclass(frozen=True, slots=True)
class _Expected:
    """Hands what one account tells to the ledger."""

    ledger: Ledger
    account: int
    partition: int
    source: str

    def tell(self, alerts: list[Alert]) -> None:
        self.ledger.expect(self.account, map(self._line, alerts))

    def _line(self, alert: Alert) -> Line:
        headers = dict(alert_headers(alert, self.source))
        alert_id, effect_ms = alert.value["alert_id"], alert.effect_ms
        frame = _frame(alert.order_id.encode(), headers)
        return Line(self.partition, -1, alert_id, effect_ms, frame, encode_alert(alert))


def _line_of(told: Told) -> Line:
    record = told.record
    no_id = f"none at offset {record.offset}"
    alert_id = no_id if told.fields is None else str(told.fields.get("alert_id", no_id))
    frame = _frame(record.key, told.headers)
    value = record.value or b""
    return Line(told.partition, record.offset, alert_id, told.moment_ms, frame, value)


def _frame(key: bytes | None, headers: Mapping[str, bytes | None]) -> bytes:
    fields: dict[str, Any] = {"key": None if key is None else key.decode("utf-8", "replace")}
    for name in FRAME:
        value = headers.get(name)
        fields[name] = None if value is None else value.decode("utf-8", "replace")
    return orjson.dumps(fields)
