"""`returnwatch diff`: two sets of alerts against each other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streams.commands.comparing import LIVE, Span, check_set, compared, live_values
from streams.commands.console import out
from streams.commands.options import StretchOptions
from streams.commands.summaries import show_differences
from streams.failures import WrongUse
from streams.investigate.outputs import values_of
from streams.investigate.planning import FOREVER_MS
from streams.settings import Settings, load_settings


def diff(
    before: Annotated[str, Parameter(help="A file that --out has written, or `live`.")],
    after: Annotated[str, Parameter(help="The same; what it has more is added.")],
    /,
    *,
    stretch: StretchOptions | None = None,
) -> int:
    """Compare two replays, or a replay and the alerts that were told: added, removed, changed.

    Of the alerts told live, --from and --to leave out those that took effect outside, by time. The
    status is 0 where the sets are the same, 1 where they are not.

    Example: returnwatch diff live replay.jsonl --from=-2h
    """
    settings = load_settings()
    for name in (before, after):
        check_set(name)
    if before == after:
        raise WrongUse(f"Both sets are {before}: give two.")
    asked = (stretch or StretchOptions()).asked()
    if asked.start.offsets or asked.end.offsets:
        raise WrongUse("Alerts are told apart by time: give --from and --to as times.")
    start_ms, end_ms = asked.start.time_ms, asked.end.time_ms
    span = (start_ms or 0, FOREVER_MS if end_ms is None else end_ms)
    found = compared(_values(before, settings, span), _values(after, settings, span))
    sizes = f"{before} has {found.sizes[0]:,} alerts, {after} has {found.sizes[1]:,}."
    out.print(sizes, markup=False)
    show_differences(out, found)
    return int(found.are_any)


def _values(name: str, settings: Settings, span: Span) -> Iterator[bytes]:
    return live_values(settings, span) if name == LIVE else values_of(Path(name))
