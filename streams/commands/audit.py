"""`returnwatch audit`: what was told against what should have been; the statement of a day."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
from cyclopts import Parameter

from streams.commands.audit_report import show_audit
from streams.commands.console import err, out
from streams.commands.meter import Meter
from streams.commands.options import StretchOptions
from streams.failures import WrongUse
from streams.interpreter import tune
from streams.investigate.audit import (
    Audit,
    Audited,
    Known,
    bounded,
    known_partitions,
    longest_back_ms,
)
from streams.investigate.outputs import STDOUT, check_out, write_table
from streams.investigate.session import Session
from streams.investigate.statement import SHEET
from streams.investigate.stretch import Asked, Portion
from streams.reachable import reachable
from streams.settings import load_settings


def audit(
    *,
    stretch: StretchOptions | None = None,
    out: Annotated[
        str | None,
        Parameter(
            help="Keep how each order ended in a file .jsonl, .csv or .parquet; - is JSON lines on "
            "standard output.",
            allow_leading_hyphen=True,
        ),
    ] = None,
) -> int:
    """Compare what was told with what should have been, and say how the orders ended.

    Verdicts are made again under the rules that each alert names. The status is 1 where an alert is
    missing, was told twice, is false, or differs in a byte.

    Example: returnwatch audit --from 2026-01-31T00:00:00Z --to 2026-02-01T00:00:00Z
    """
    asked = (stretch or StretchOptions()).asked()
    settings = load_settings()
    if out is not None:
        check_out(out)
    tune()
    return _audit(Session.of(settings, {}), asked, out)


def _audit(session: Session, asked: Asked, target: str | None) -> int:
    console = err if target == STDOUT else out
    known = asyncio.run(_known(session))
    portions = _portions(session, asked, known)
    with tempfile.TemporaryDirectory(prefix="returnwatch-audit-") as name:
        folder = Path(name)
        audited = _run(Audit(session.settings, session.duty, portions, known), folder)
        show_audit(console, portions, audited)
        if target is not None:
            count = write_table(target, SHEET, _rows(folder))
            if target != STDOUT:
                console.print(f"{count:,} orders are in {target}.", markup=False)
    return int(audited.judgement.counts.total() > 0)


async def _known(session: Session) -> dict[int, Known]:
    settings = session.settings
    await reachable(settings, [settings.alerts_topic, settings.changelog_topic])
    known = await known_partitions(settings)
    if not known:
        raise WrongUse(
            f"{settings.changelog_topic} is empty: no worker of this RETURNWATCH_APP_ID has decided"
            " anything yet."
        )
    return known


def _portions(session: Session, asked: Asked, known: dict[int, Known]) -> list[Portion]:
    cuts = {number: it.header.cut_ms or 0 for number, it in known.items()}
    planned = asyncio.run(session.plan(asked, back_ms=longest_back_ms(known), known_from_ms=cuts))
    return [bounded(it, known[it.partition]) for it in planned if it.partition in known]


def _run(audit: Audit, folder: Path) -> Audited:
    total = sum(portion.offsets for portion in audit.portions)
    with _statement(folder).open("wb") as file, Meter("auditing", total) as meter:
        return asyncio.run(audit.run(folder, file, on_read=meter.add))


def _statement(folder: Path) -> Path:
    return folder / "statement"


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    with _statement(folder).open("rb") as file:
        yield from map(orjson.loads, file)
