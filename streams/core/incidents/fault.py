"""An open incident: what was seen of it so far, and what is told of it."""

from dataclasses import dataclass, field
from typing import Any, Final

from schemas.incidents import (
    AtRisk,
    Incident,
    IncidentSeverity,
    IncidentState,
    RankedCause,
    incident_id,
)
from schemas.incidents import Scope as ScopeValue
from schemas.stats import SAMPLES_MAX, StatsRow
from schemas.times import SECOND_MS, rfc3339
from streams.core.gauges import Scope
from streams.core.incidents.remedies import REMEDIES, runbook_of
from streams.core.incidents.scan import covers
from streams.core.incidents.signs import LATE, TIMED_OUT, Signs, Table, put, total

CRITICAL_ORDERS: Final = 1_000  # Timed out in one incident, wherever it is.
_BY_SCOPE: Final = ("table", "early", "money", "order_ids")
GROWTH: Final = 10  # Told again when so many times as many orders timed out.


@dataclass(slots=True)
class Fault:
    """`table` is what all scopes showed since the first sign, `early` what they showed before, as
    far back as `since_s`."""

    opened_s: int
    since_s: int
    family: str
    scope: Scope
    first_scope: Scope
    last_sign_s: int
    causes: tuple[RankedCause, ...] = ()
    table: Table = field(default_factory=dict)
    early: Table = field(default_factory=dict)
    money: dict[Scope, dict[str, list[int]]] = field(default_factory=dict)
    order_ids: dict[Scope, list[str]] = field(default_factory=dict)
    answered_since_sign: int = 0
    silent: tuple[int, int, float] = (0, 0, 0.0)  # Seconds, orders, answers a second before.
    silenced: str | None = None
    revision: int = 0
    told_timed_out: int = 0
    told_as: tuple[str, Scope] = ("", (None, None, None))

    def take(self, row: StatsRow, scope: Scope, signs: Signs) -> None:
        """Take in one row since its first sign, whether it is in its scope or not."""
        put(self.table, scope, signs)
        if not row.timed_out and not row.returned_late:
            return
        for money in row.money:
            if money.timed_out_minor or money.returned_late_minor:
                of = self.money.setdefault(scope, {})
                sums = of.setdefault(money.currency, [0, 0])
                sums[0] += money.timed_out_minor
                sums[1] += money.returned_late_minor
        ids = self.order_ids.setdefault(scope, [])
        ids += row.timed_out_ids[: SAMPLES_MAX - len(ids)]

    def inside(self, *, early: bool) -> dict[Scope, Signs]:
        """What was seen in its scope, since the first sign or also before."""
        found = {at: signs[:] for at, signs in self.table.items() if covers(self.scope, at)}
        if early:
            for at, signs in self.early.items():
                if covers(self.scope, at):
                    put(found, at, signs)
        return found

    def timed_out(self) -> int:
        """Orders that timed out in its scope."""
        return sum(signs[TIMED_OUT] for at, signs in self.table.items() if covers(self.scope, at))

    def is_news(self) -> bool:
        """Whether its cause or scope is another, or ten times as many orders timed out, than when
        it was told last."""
        if self.told_as != (self.causes[0].cause, self.scope):
            return True
        return self.timed_out() >= GROWTH * max(1, self.told_timed_out)

    def tell(self, state: IncidentState, second_s: int) -> Incident:
        """The value to tell at the end of a second."""
        sums = total(self.inside(early=False).values())
        cause = self.causes[0].cause
        self.revision += 1
        self.told_timed_out, self.told_as = sums[TIMED_OUT], (cause, self.scope)
        return Incident(
            incident_id=self.id,
            revision=self.revision,
            state=state,
            cause=cause,
            causes=self.causes,
            scope=ScopeValue(*self.scope),
            since=rfc3339(self.since_s * SECOND_MS),
            until=rfc3339((self.last_sign_s + 1) * SECOND_MS) if state == "closed" else None,
            told_at=rfc3339((second_s + 1) * SECOND_MS),
            orders_timed_out=sums[TIMED_OUT],
            returned_late=sums[LATE],
            money_at_risk=self._at_risk(),
            order_ids=self._samples(),
            severity=self._severity(sums[TIMED_OUT]),
            remedy=REMEDIES[cause],
            runbook=runbook_of(cause),
            silenced=self.silenced,
        )

    @property
    def id(self) -> str:
        """Made of where and when it was seen first."""
        return incident_id(ScopeValue(*self.first_scope), self.opened_s, self.family)

    def _at_risk(self) -> tuple[AtRisk, ...]:
        sums: dict[str, int] = {}
        for scope, of in self.money.items():
            if covers(self.scope, scope):
                for currency, (timed_out, late) in of.items():
                    sums[currency] = sums.get(currency, 0) + timed_out - late
        return tuple(AtRisk(currency, amount) for currency, amount in sorted(sums.items()))

    def _samples(self) -> tuple[str, ...]:
        inside = [ids for scope, ids in self.order_ids.items() if covers(self.scope, scope)]
        return tuple([order_id for ids in inside for order_id in ids][:SAMPLES_MAX])

    def _severity(self, timed_out: int) -> IncidentSeverity:
        is_wide = self.scope[1:] == (None, None)
        return "critical" if is_wide or timed_out >= CRITICAL_ORDERS else "warning"

    def state(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["causes"] = [[it.cause, it.share_permille, it.evidence] for it in self.causes]
        for name in _BY_SCOPE:
            values[name] = [[*at, of] for at, of in values[name].items()]
        return values

    @classmethod
    def restored(cls, values: dict[str, Any]) -> "Fault":
        """The same again."""
        values = dict(values)
        for name in ("scope", "first_scope", "silent"):
            values[name] = tuple(values[name])
        values["causes"] = tuple(
            RankedCause(cause, share, tuple(texts)) for cause, share, texts in values["causes"]
        )
        for name in _BY_SCOPE:
            values[name] = {(p, m, k): of for p, m, k, of in values[name]}
        values["told_as"] = (values["told_as"][0], tuple(values["told_as"][1]))
        return cls(**values)
