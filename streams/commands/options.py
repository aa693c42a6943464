"""Options that several commands share: a stretch of the topics, other rules and settings."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from streams.investigate.stretch import Asked, asked


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class StretchOptions:
    """From where to where."""

    from_: Annotated[
        str | None,
        Parameter(
            name="--from",
            help="Verdicts that take effect since: 2026-01-31T12:00:00Z, -2h, or offsets as "
            "partition:submitted/returned (0:100/80,1:20/7). The log's start if not given.",
            allow_leading_hyphen=True,
        ),
    ] = None
    to: Annotated[
        str | None,
        Parameter(
            name="--to", help="And before this; now if not given.", allow_leading_hyphen=True
        ),
    ] = None

    def asked(self) -> Asked:
        """The stretch; WrongUse with a sentence."""
        return asked(self.from_, self.to, datetime.now(UTC))


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class WarmUpOptions:
    """How the orders are known that are open where a stretch begins."""

    read_back_s: Annotated[
        int | None,
        Parameter(
            name="--read-back-s",
            help="How far before --from reading begins; if not given the longest deadline, twice "
            "remember, and hold.",
            validator=Number(gte=0),
        ),
    ] = None

    snapshot: Annotated[
        Path | None,
        Parameter(
            name="--snapshot",
            help="Go on from a file of `returnwatch snapshot` instead; --from is then where it "
            "stands, if not given.",
        ),
    ] = None

    @property
    def back_ms(self) -> int | None:
        """How far to read back, in ms; None if not given."""
        return None if self.read_back_s is None else self.read_back_s * 1_000


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class WhatIfOptions:
    """Settings that win over those of the environment."""

    rules: Annotated[Path | None, Parameter(name="--rules", help="Another file of rules.")] = None
    return_within_s: Annotated[
        Decimal | None,
        Parameter(name="--return-within-s", help="Another deadline, where no rules file says it."),
    ] = None
    hold_s: Annotated[
        Decimal | None, Parameter(name="--hold-s", help="Another RETURNWATCH_HOLD_S.")
    ] = None
    remember_s: Annotated[
        Decimal | None, Parameter(name="--remember-s", help="Another RETURNWATCH_REMEMBER_S.")
    ] = None
    grace_s: Annotated[
        Decimal | None, Parameter(name="--grace-s", help="Another RETURNWATCH_GRACE_S.")
    ] = None

    def overrides(self) -> dict[str, Any]:
        """Those that were given, as `load_settings` takes them."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in given.items() if value is not None}
