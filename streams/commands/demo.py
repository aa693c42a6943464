"""`returnwatch demo`: the main job in one command, on simulated payments."""

import asyncio
import os
import secrets
import signal
import tempfile
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.table import Table
from rich.text import Text

from schemas.incidents import Incident
from streams import logs
from streams.commands.alerts import alert_line
from streams.commands.console import complain, out
from streams.commands.incidents import incident_lines
from streams.demo.embedded import EmbeddedBrokerMissing
from streams.demo.stage import Stage, open_stage
from streams.demo.traffic import BROKEN_PROVIDER, POOR_PROVIDER, Fate, Plan
from streams.demo.truth import Comparison, Verdict, compare
from streams.failures import WrongUse

if TYPE_CHECKING:  # It imports Faust, which takes a second: where a demo begins, not before.
    from streams.demo.performance import Performance

SECONDS_MAX: Final = 600
ORDERS_PER_S_MAX: Final = 1_000
SLIP_SHOWN_MS: Final = 500  # Traffic that fell behind further may have made answers late.
MISTAKES_SHOWN_MAX: Final = 5
LOG_LINES_SHOWN: Final = 15
SEEDS: Final = 1_000_000

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def demo(
    *,
    seconds: Annotated[
        int,
        Parameter(help="How long payments are made.", validator=Number(gte=1, lte=SECONDS_MAX)),
    ] = 30,
    orders_per_s: Annotated[
        int, Parameter(help="Payments a second.", validator=Number(gte=1, lte=ORDERS_PER_S_MAX))
    ] = 20,
    seed: Annotated[
        int | None, Parameter(help="Makes the same payments again; else by chance.")
    ] = None,
) -> int:
    """Watch simulated payments with the real worker, and see what it tells.

    On an embedded broker, or on the one of KAFKA_BOOTSTRAP_SERVERS, with topics of its own there.

    Example: returnwatch demo --seconds 15
    """
    from streams.demo.performance import WorkerFailed  # As above.

    wanted = (seconds, orders_per_s, secrets.randbelow(SEEDS) if seed is None else seed)
    log = _log_to_a_file()
    is_needed = False
    try:
        is_right = asyncio.run(_perform(*wanted))
        is_needed = not is_right
    except EmbeddedBrokerMissing as error:
        raise WrongUse(str(error)) from error
    except WorkerFailed:
        is_needed = True
        _show_end_of(log)
        raise
    finally:
        if is_needed:
            complain(f"all that the worker logged is in {log}")
        else:
            log.unlink()
    return 0 if is_right else 1


class _Screen:
    """The audience: a line for each thing that is told."""

    def note(self, sentence: str) -> None:
        out.print(sentence, style="dim", markup=False)

    def alert(self, value: dict[str, Any]) -> None:
        out.print(alert_line(value))

    def incident(self, incident: Incident) -> None:
        for line in incident_lines(incident):
            out.print(line)

    def dead_letter(self, order_id: str, problems: list[dict[str, str]]) -> None:
        line = Text(f"{'dead letter':<18}", style="cyan")
        line.append(f" {order_id}", style="bold")
        line.append(f" {problems[0]['field']} {problems[0]['problem']}", style="dim")
        out.print(line)


async def _perform(seconds: int, orders_per_s: int, seed: int) -> bool:
    from streams.demo.performance import Performance  # As above.

    stop = asyncio.Event()
    for number in _STOPPING:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_stage() as stage:
        within_ms, hold_ms = stage.settings.return_within_ms, stage.settings.hold_ms
        plan = Plan(seconds, orders_per_s, seed, within_ms, hold_ms)
        _introduce(stage, plan)
        performance = Performance(stage, plan, _Screen())
        await performance.run(stop)
    for sentence in stage.left:
        complain(sentence)
    return _sum_up(performance)


def _introduce(stage: Stage, plan: Plan) -> None:
    out.print(
        f"Simulating {plan.orders_per_s} payments a second for {plan.seconds} s on {stage.place} "
        f"(seed {plan.seed}). Each has to be answered within {plan.return_within_ms / 1_000:g} s; "
        f"one in ten is lost, late, unmatched, conflicting or malformed, all with {POOR_PROVIDER}.",
        markup=False,
    )
    if plan.outage_ms:
        start_s, end_s = plan.outage_ms.start // 1_000, plan.outage_ms.stop // 1_000
        out.print(
            f"From second {start_s} to {end_s}, {BROKEN_PROVIDER} answers nothing at all.",
            markup=False,
        )
    _Screen().note("The real worker joins (some 5 s), then tells what it finds; Ctrl-C ends it.")


def _sum_up(performance: "Performance") -> bool:
    """Show what was told against what had to be; whether it is the same."""
    found = compare(performance.truth, performance.told)
    out.print()
    out.print(_table(found), soft_wrap=False)
    wrong = {"told twice": found.repeated, "told but false": found.false}
    if performance.is_complete:
        wrong["not told"] = found.missing
        if performance.plan.outage_ms and performance.outage is None:
            wrong["not told"] = [*found.missing, (BROKEN_PROVIDER, "incident")]
    for name, verdicts in wrong.items():
        if verdicts:
            out.print(f"{name}: {_listed(verdicts)}", style="red", markup=False)
    is_right = not any(wrong.values())
    if not is_right and performance.slip_ms > SLIP_SHOWN_MS:
        complain(
            f"this machine sent payments up to {performance.slip_ms / 1_000:.1f} s too late, so "
            "some that were to be answered in time may truly have been late"
        )
    out.print(_conclusion(performance, found) if is_right else _verdict_on(wrong), style="bold")
    return is_right


def _table(found: Comparison) -> Table:
    table = Table("payments", box=None, pad_edge=False)
    table.add_column("sent", justify="right")
    table.add_column("to be told, once each")
    table.add_column("told so", justify="right")
    for row in found.rows:
        words = " and ".join(row.verdicts).replace("_", " ") or "nothing"
        table.add_row(row.fate.value, str(row.orders), words, str(row.right))
    return table


def _listed(verdicts: list[Verdict]) -> str:
    shown = [f"{kind} of {order_id}" for order_id, kind in verdicts[:MISTAKES_SHOWN_MAX]]
    more = len(verdicts) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _conclusion(performance: "Performance", found: Comparison) -> str:
    lost = next(row for row in found.rows if row.fate is Fate.LOST)
    if performance.is_complete:
        outage = performance.outage
        incident = "" if outage is None else f" The outage is one incident: {_named(outage)}."
        return (
            f"As it has to be: each of the {lost.orders} lost payments was told exactly once, the "
            f"other faults too, and nothing else.{incident}"
        )
    return (
        f"Ended early: {lost.right} of the {lost.orders} lost payments were told so far, each "
        f"exactly once; {len(found.missing)} verdicts were still to come; nothing else was told."
    )


def _named(incident: Incident) -> str:
    return f"{incident.cause}, {incident.scope}"


def _verdict_on(wrong: dict[str, list[Verdict]]) -> str:
    counts = (f"{len(verdicts)} {name}" for name, verdicts in wrong.items() if verdicts)
    return f"Not as it has to be: {', '.join(counts)}."


def _log_to_a_file() -> Path:
    """Where everything that is logged from here on goes, so that it does not spoil the view."""
    handle, name = tempfile.mkstemp(prefix="returnwatch-demo-", suffix=".log")
    with redirect_stderr(os.fdopen(handle, "w", encoding="utf-8", buffering=1)):
        logs.set_up("info", "text")
    return Path(name)


def _show_end_of(log: Path) -> None:
    for line in log.read_text(encoding="utf-8").splitlines()[-LOG_LINES_SHOWN:]:
        complain(line)
