"""`returnwatch silence add|list|remove`: planned work, during which nobody is to be woken."""

import asyncio
import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from cyclopts import App, Parameter
from rich.table import Column, Table
from rich.text import Text

from schemas.incidents import Scope
from schemas.silences import SilenceRecord, encode_silence
from schemas.times import rfc3339
from streams.commands.console import complain, out, printable
from streams.failures import WrongUse
from streams.moments import WrongTime, time_ms
from streams.planned_work import forget_silences, read_silences, write_silences
from streams.rulebook import wrong_value
from streams.settings import Settings, load_settings
from streams.topic_admin import Topics
from streams.transport.log_bounds import BrokerUnavailable

WHY_MAX: Final = 200  # Characters.
DAYS_MAX: Final = 30
_DAY_MS: Final = 86_400_000
_AHEAD: Final = re.compile(r"\+([0-9]{1,6})([smhd])")
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": _DAY_MS}

silence = App(
    name="silence",
    help="Say that work is planned, so that its incidents wake nobody.\n\n"
    "Example: returnwatch silence list",
)


@silence.command
def add(
    *,
    to: Annotated[
        str,
        Parameter(
            help="Until when: 2026-01-31T12:00:00Z, or +2h after --from.",
            allow_leading_hyphen=True,
        ),
    ],
    why: Annotated[str, Parameter(help="What is done, in a few words; stands in each incident.")],
    provider: Annotated[str | None, Parameter(help="Of the orders; all if not given.")] = None,
    merchant: Annotated[str | None, Parameter(help="Of the orders; all if not given.")] = None,
    kind: Annotated[str | None, Parameter(help="Of the orders; all if not given.")] = None,
    from_: Annotated[
        str | None,
        Parameter(
            name="--from",
            help="Since when: 2026-01-31T12:00:00Z, or +30m; now if not.",
            allow_leading_hyphen=True,
        ),
    ] = None,
) -> None:
    """Silence incidents of a scope for a time that is still to come.

    Measuring goes on: incidents are told with `silenced`, and a digest when it is over. The times
    are the log's, so a replay of the same log is silenced alike.

    Example: returnwatch silence add --provider pg --from +10m --to +2h --why "new firewall"
    """
    settings = load_settings()
    scope = _scope(provider, merchant, kind)
    if not why.strip() or len(why) > WHY_MAX or not why.isprintable():
        raise WrongUse(f"--why must be 1 to {WHY_MAX} printable characters.")
    now_ms = _now_ms()
    from_ms, until_ms = _span(from_, to, now_ms)
    new = SilenceRecord(
        silence_id=uuid.uuid4().hex[:8],
        scope=scope,
        since=rfc3339(from_ms),
        until=rfc3339(until_ms),
        why=why,
        added_at=rfc3339(now_ms),
    )
    asyncio.run(_add(settings, new))
    out.print(f"{new.silence_id}: {_words(new)}", markup=False)


@silence.command(name="list")
def list_(
    *,
    all_: Annotated[
        bool, Parameter(name="--all", help="Those that are over, too.", negative="")
    ] = False,
    json: Annotated[bool, Parameter(help="One JSON object a line.", negative="")] = False,
) -> None:
    """Show the silences that are planned or in force, in the order they were said.

    Example: returnwatch silence list --all
    """
    settings = load_settings()
    now_ms = _now_ms()
    found = [it for it in asyncio.run(read_silences(settings)) if all_ or it.until_ms > now_ms]
    if json:
        for each in found:
            out.print(encode_silence(each).decode(), markup=False)
        return
    longest = max((len(each.silence_id) for each in found), default=0)
    table = Table(
        Column("id", no_wrap=True, min_width=longest),
        "is",
        "scope",
        "why",
        box=None,
        pad_edge=False,
    )
    for each in found:
        why = f"{printable(each.why)}, {each.since} to {each.until}"
        scope = Text(printable(str(each.scope)))
        table.add_row(printable(each.silence_id), _state(each, now_ms), scope, Text(why))
    if found:
        out.print(table, soft_wrap=False)
    else:
        out.print("No silence is planned or in force.")


@silence.command
def remove(silence_id: Annotated[str, Parameter(help="As `silence list` shows it.")], /) -> None:
    """End a silence now, or take one back that has not begun.

    Example: returnwatch silence remove 1f3a9c02
    """
    settings = load_settings()
    now_ms = _now_ms()
    found = {each.silence_id: each for each in asyncio.run(read_silences(settings))}
    its = found.get(silence_id)
    if its is None:
        raise WrongUse(f"There is no silence {silence_id}. See: returnwatch silence list")
    if its.until_ms <= now_ms:
        raise WrongUse(f"The silence {silence_id} is over since {its.until}.")
    if its.from_ms >= now_ms:
        asyncio.run(forget_silences(settings, [silence_id]))
        out.print(f"{silence_id}: taken back before it began", markup=False)
        return
    ended = msgspec.structs.replace(its, until=rfc3339(now_ms))
    asyncio.run(write_silences(settings, [ended]))
    out.print(f"{silence_id}: {_words(ended)}", markup=False)


async def _add(settings: Settings, new: SilenceRecord) -> None:
    async with Topics(settings.kafka_client_options()) as topics:
        if settings.silences_topic not in await topics.shapes([settings.silences_topic]):
            raise BrokerUnavailable(
                f"The topic {settings.silences_topic} does not exist. Type: "
                "returnwatch topics create"
            )
    await write_silences(settings, [new])


def _scope(provider: str | None, merchant: str | None, kind: str | None) -> Scope:
    for name, value in (("provider", provider), ("merchant", merchant), ("kind", kind)):
        if value is not None and (problem := wrong_value(name, value)):
            raise WrongUse(f"--{name} {problem}: no order has that.")
    return Scope(provider, merchant, kind)


def _span(from_: str | None, to: str, now_ms: int) -> tuple[int, int]:
    """From when to when, in ms; WrongUse where that cannot be."""
    from_ms = now_ms if from_ is None else _moment_ms(from_, now_ms, "--from")
    until_ms = _moment_ms(to, max(from_ms, now_ms), "--to")
    if from_ms < now_ms:
        complain(f"--from {from_} is in the past, which is told already: it begins now")
        from_ms = now_ms
    if until_ms <= from_ms:
        raise WrongUse(f"--to {to} is not after the beginning, {rfc3339(from_ms)}.")
    if until_ms - from_ms > DAYS_MAX * _DAY_MS:
        raise WrongUse(f"A silence is at most {DAYS_MAX} days long: add another one later.")
    return from_ms, until_ms


def _moment_ms(text: str, after_ms: int, option: str) -> int:
    ahead = _AHEAD.fullmatch(text)
    if ahead:
        return after_ms + int(ahead[1]) * _UNITS_MS[ahead[2]]
    try:
        return time_ms(text, datetime.now(UTC), option=option)
    except WrongTime as error:
        raise WrongTime(
            f"{option} {text} is no time: give one like 2026-01-31T12:00:00Z or +2h."
        ) from error


def _words(silence: SilenceRecord) -> str:
    return f"{printable(str(silence.scope))} silenced from {silence.since} to {silence.until}"


def _state(silence: SilenceRecord, now_ms: int) -> str:
    if silence.until_ms <= now_ms:
        return "over"
    return "in force" if silence.from_ms <= now_ms else "planned"


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000)
