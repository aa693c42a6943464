"""Planned work: a scope and a span in which nobody should be woken; measuring goes on."""

from dataclasses import dataclass

from schemas.incidents import Scope
from streams.core.incidents.scan import covers


@dataclass(frozen=True, slots=True)
class Silence:
    """Incidents inside `scope` that were first seen in [from, until), in event time."""

    scope: Scope
    from_ms: int
    until_ms: int
    why: str

    def holds(self, scope: tuple[str | None, str | None, str | None], time_ms: int) -> bool:
        """Whether an incident of that scope, first seen then, is silenced."""
        mine = (self.scope.provider, self.scope.merchant, self.scope.kind)
        return self.from_ms <= time_ms < self.until_ms and covers(mine, scope)
