"""Two sets of alerts, each a file, a replay or what was told live, against each other."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from streams.failures import WrongUse
from streams.investigate.comparison import Comparison, Differences
from streams.investigate.planning import FOREVER_MS
from streams.investigate.told import Told, told_since
from streams.reachable import reachable
from streams.settings import Settings

LIVE: Final = "live"

Span = tuple[int, int]  # [from, to) in ms of when an alert took effect.


def check_set(name: str) -> None:
    """WrongUse unless it is `live` or a file that is there."""
    if name != LIVE and not Path(name).is_file():
        raise WrongUse(f"{name} is no file: give one that --out has written, or live.")


def compared(before: Iterable[bytes], after: Iterable[bytes]) -> Differences:
    """What the second set has more, less or other; WrongUse where a value is no alert."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="returnwatch-diff-"))
        comparison = stack.enter_context(Comparison(Path(folder) / "alerts.db"))
        for which, values in (("first", before), ("second", after)):
            try:
                comparison.take(int(which == "second"), values)
            except ValueError as error:
                raise WrongUse(f"The {which} set holds a value that is no alert.") from error
        return comparison.differences()


def live_values(settings: Settings, spans: Mapping[int, Span] | Span) -> Iterator[bytes]:
    """What was told in these partition numbers, each within its span, or in all within the same;
    Refused, BrokerUnavailable.

    What is no alert is passed over: the audit speaks of that.
    """
    with asyncio.Runner() as runner:
        runner.run(reachable(settings, [settings.alerts_topic]))
        by_partition = spans if isinstance(spans, Mapping) else {}
        everywhere = (FOREVER_MS, 0) if isinstance(spans, Mapping) else spans
        since_ms = min(from_ms for from_ms, _ in (*by_partition.values(), everywhere))
        options = settings.kafka_client_options()
        told = told_since(options, settings.alerts_topic, since_ms)
        try:
            while (each := runner.run(_next(told))) is not None:
                from_ms, to_ms = by_partition.get(each.partition, everywhere)
                if each.fields is not None and from_ms <= each.moment_ms < to_ms:
                    yield each.record.value or b""
        finally:
            runner.run(told.aclose())


async def _next(told: AsyncGenerator[Told, None]) -> Told | None:
    return await anext(told, None)
