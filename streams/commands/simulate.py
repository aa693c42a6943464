"""`returnwatch simulate`: labelled traffic with faults, to the input topics or into files."""

import asyncio
import json as json_text
import secrets
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from cyclopts.validators import Number

from schemas.incidents import CAUSES, Scope
from schemas.records import RETURNED, SUBMITTED
from schemas.times import SECOND_MS
from streams.commands.console import complain, err, out
from streams.demo.histories import PROVIDERS, SECONDS, random_history
from streams.demo.misfortunes import Fault
from streams.demo.playback import play
from streams.demo.simulator import History, records
from streams.failures import WrongUse
from streams.settings import Settings, load_settings

SECONDS_MAX: Final = 86_400
ORDERS_PER_S_MAX: Final = 5_000
FAULTS_MAX: Final = 2
FAULT_SECONDS_MIN: Final = 10
SLIP_SHOWN_MS: Final = 1_000
SEEDS: Final = 1_000_000
FILES: Final = {SUBMITTED: "order-submitted.jsonl", RETURNED: "order-returned.jsonl"}
LABELS: Final = "labels.json"
_PLACES: Final = ("provider", "merchant", "kind")


def simulate(
    *,
    seconds: Annotated[
        int, Parameter(help="How long.", validator=Number(gte=1, lte=SECONDS_MAX))
    ] = 300,
    orders_per_s: Annotated[
        float, Parameter(help="On average.", validator=Number(gt=0, lte=ORDERS_PER_S_MAX))
    ] = 20.0,
    seed: Annotated[int | None, Parameter(help="Makes the same again; else by chance.")] = None,
    faults: Annotated[
        int | None,
        Parameter(
            help="How many, of the seed's choice; else its choice, too.",
            validator=Number(gte=0, lte=FAULTS_MAX),
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        Parameter(
            help="One of your own, several times if wanted: "
            "system_failure,provider=acme,start=60,seconds=30,strength=0.9",
            negative="",
        ),
    ] = None,
    into: Annotated[
        Path | None,
        Parameter(help="A folder for files of JSON lines, made at once, instead of the topics."),
    ] = None,
) -> int:
    """Write simulated orders and returns, with faults whose labels are known.

    To the input topics as time goes by, or with --into into files, which `returnwatch send` takes.
    The labels (cause, scope, from when until when) go to standard output, or beside the files.

    Example: returnwatch simulate --seconds 120 --fault system_failure,provider=acme,start=60
    """
    number = secrets.randbelow(SEEDS) if seed is None else seed
    history = random_history(number, faults)
    history = _stretched(replace(history, orders_per_s=orders_per_s), seconds)
    now_ms = time.time_ns() // 1_000_000
    history = replace(history, start_ms=now_ms, numbered_from=now_ms * ORDERS_PER_S_MAX)
    if fault is not None:
        history = replace(history, faults=tuple(_fault(each, seconds) for each in fault))
    named = "no fault" if not history.faults else ", ".join(it.cause for it in history.faults)
    settings = load_settings()
    err.print(f"{orders_per_s:g} orders/s for {seconds} s, seed {number}: {named}", markup=False)
    if into is not None:
        _write_files(history, into)
        return 0
    return asyncio.run(_send(settings, history))


def _stretched(history: History, seconds: int) -> History:
    """Faults and bursts keep their place within the whole."""

    def at(second: int) -> int:
        return second * seconds // SECONDS

    return replace(
        history,
        seconds=seconds,
        faults=tuple(
            replace(it, start_s=at(it.start_s), seconds=max(at(it.seconds), FAULT_SECONDS_MIN))
            for it in history.faults
        ),
        bursts=tuple(replace(it, start_s=at(it.start_s)) for it in history.bursts),
    )


def _fault(text: str, seconds: int) -> Fault:
    cause, *rest = text.split(",")
    if cause not in CAUSES:
        raise WrongUse(f"--fault {text}: {cause!r} is no cause; known are {', '.join(CAUSES)}.")
    given = dict(each.partition("=")[::2] for each in rest)
    unknown = sorted(given.keys() - {*_PLACES, "start", "seconds", "strength"})
    if unknown:
        raise WrongUse(
            f"--fault {text}: {unknown[0]!r} is not known; known are provider, merchant, kind, "
            "start, seconds and strength, each with =."
        )
    try:
        start_s = int(given.get("start", seconds // 2))
        length_s = int(given.get("seconds", max(seconds // 4, 1)))
        strength = float(given.get("strength", 1))
    except ValueError as error:
        raise WrongUse(f"--fault {text}: start, seconds and strength are numbers.") from error
    if not (0 <= start_s < seconds and length_s >= 1 and 0 < strength <= 1):
        raise WrongUse(
            f"--fault {text}: start must lie within --seconds {seconds}, seconds be 1 or more, and "
            "strength be above 0 and at most 1."
        )
    scope = Scope(*(given.get(name) for name in _PLACES))
    if scope.provider is not None and scope.provider not in PROVIDERS:
        complain(
            f"--fault {text}: the providers are {', '.join(PROVIDERS)}; this one has no orders"
        )
    return Fault(cause=cause, scope=scope, start_s=start_s, seconds=length_s, strength=strength)


def _write_files(history: History, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            files = {
                side: stack.enter_context((folder / name).open("wb"))
                for side, name in FILES.items()
            }
            for record in records(history):
                files[record.side].write(record.value + b"\n")
        (folder / LABELS).write_text(json_text.dumps(history.labels(), indent=2) + "\n")
    except OSError as error:
        raise WrongUse(f"--into {folder} cannot be written: {error.strerror}.") from error
    out.print(f"{folder / FILES[SUBMITTED]}, {FILES[RETURNED]} and {LABELS}", markup=False)


async def _send(settings: Settings, history: History) -> int:
    topics = (settings.submitted_topic, settings.returned_topic)
    for label in history.labels():
        out.print(json_text.dumps(label), markup=False)
    slip_ms = await play(history, topics, client_options=settings.kafka_client_options())
    if slip_ms > SLIP_SHOWN_MS:
        complain(f"this machine sent up to {slip_ms / SECOND_MS:.1f} s too late: give fewer orders")
    err.print(f"sent to {topics[0]} and {topics[1]}", markup=False)
    return 0
