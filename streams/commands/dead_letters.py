"""`returnwatch dead-letters list|show|requeue`."""

import asyncio
import json as json_text
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from schemas.codec import read_return, read_submission
from streams.commands.console import complain, out
from streams.commands.letter_lines import (
    Telling,
    letter_line,
    listed_document,
    no_letter,
    show_letter,
)
from streams.failures import WrongUse
from streams.investigate.hashing import partition_finder
from streams.investigate.letters import (
    Letters,
    Place,
    Wish,
    read_letters,
    stretches_of,
)
from streams.investigate.requeue import KEY, Mender, Requeue, RequeueFailed, place_of
from streams.investigate.search import LogSearch
from streams.moments import time_ms
from streams.settings import Settings, load_settings

dead_letters = App(
    name="dead-letters",
    help="List or show the records that were set aside, or send them again, once each.\n\n"
    "Example: returnwatch dead-letters list --from=-1h",
)

_Topic = Annotated[str | None, Parameter(help="Whose record stood in this input topic.")]
_Field = Annotated[
    str | None, Parameter(help="With this field wrong; `key` and `value` are the record's own.")
]
_Provider = Annotated[str | None, Parameter(help="Of this provider, where that can be read.")]
_From = Annotated[
    str | None,
    Parameter(
        name="--from",
        help="With a record time since: 2026-01-31T12:00:00Z, or -2h.",
        allow_leading_hyphen=True,
    ),
]
_To = Annotated[
    str | None,
    Parameter(name="--to", help="With a record time before.", allow_leading_hyphen=True),
]
_Json = Annotated[bool, Parameter(help="One JSON object a line.", negative="")]
_ALL: Final = Wish()


@dead_letters.command(name="list")
def list_(
    *,
    topic: _Topic = None,
    field: _Field = None,
    provider: _Provider = None,
    from_: _From = None,
    to: _To = None,
    json: _Json = False,
) -> None:
    """List dead letters, a line each: its place, its time, its record's place, what is wrong.

    Those that were sent again say so.

    Example: returnwatch dead-letters list --field submitted_at --from=-1d
    """
    settings = load_settings()
    wish = _wish(settings, topic=topic, field=field, provider=provider, from_=from_, to=to)
    letters = asyncio.run(_read(settings, wish))
    for letter in letters.found:
        requeued = letters.requeued.get(letter.place)
        if json:
            out.print(json_text.dumps(listed_document(letter, requeued)), markup=False)
        else:
            out.print(letter_line(letter, requeued))
    if letters.is_cut:
        complain(f"more match than the {len(letters.found)} listed: narrow it, as by --from")


@dead_letters.command
def show(
    letter: Annotated[str, Parameter(help="Its place in the dead letters: partition:offset.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="As one JSON object.", negative="")] = False,
) -> int:
    """Show one dead letter: what is wrong, what would be right, and the record as it came in.

    Example: returnwatch dead-letters show 2:17
    """
    settings = load_settings()
    place = _place(letter)
    letters = asyncio.run(_read(settings, Wish(places=frozenset([place]))))
    if _complain_of_missing(letters, [place]):
        return 1
    (found,) = letters.found
    requeued = letters.requeued.get(place)
    if json:
        out.print(json_text.dumps(listed_document(found, requeued)), markup=False)
    else:
        show_letter(found, requeued)
    return 0


@dead_letters.command
def requeue(
    *letters: Annotated[str, Parameter(help="Places in the dead letters: partition:offset.")],
    topic: _Topic = None,
    field: _Field = None,
    provider: _Provider = None,
    from_: _From = None,
    to: _To = None,
    fix: Annotated[
        list[str] | None,
        Parameter(
            help="'field=value' for each record sent, the value as JSON; may be given several "
            "times. `key` is the record's key.",
            negative="",
        ),
    ] = None,
    dry_run: Annotated[bool, Parameter(help="Say what would be sent.", negative="")] = False,
    unchecked: Annotated[
        bool, Parameter(help="Also what would be set aside again.", negative="")
    ] = False,
) -> int:
    """Send records of dead letters to the topics they came from, as they came in, once each.

    A marker among the dead letters, written in the same transaction, keeps it from being sent
    twice. What would be set aside again is not sent but said; the status is then 1.

    Example: returnwatch dead-letters requeue 2:17 --fix 'outcome="accepted"'
    """
    settings = load_settings()
    places = frozenset(map(_place, letters)) if letters else None
    wish = _wish(
        settings, topic=topic, field=field, provider=provider, from_=from_, to=to, places=places
    )
    if wish == _ALL:
        raise WrongUse(
            "Say which dead letters: partition:offset as `returnwatch dead-letters list` shows "
            "them, or --topic, --field, --provider, --from or --to."
        )
    fixes = _fixes(fix or [], is_one=len(places or ()) == 1)
    telling = Telling(dry=dry_run)
    asyncio.run(_requeue(settings, wish, fixes, telling=telling, unchecked=unchecked))
    missing = telling.missing(places or frozenset())
    for place in missing:
        complain(no_letter(place))
    telling.sum_up()
    return 1 if telling.refused or missing else 0


async def _requeue(
    settings: Settings, wish: Wish, fixes: dict[str, Any], *, telling: Telling, unchecked: bool
) -> None:
    checks = {settings.submitted_topic: read_submission, settings.returned_topic: read_return}
    options = settings.kafka_client_options()
    partition_of = None
    if KEY in fixes:
        async with LogSearch(options) as search:
            partition_of = await partition_finder(search, checks)
    mender = Mender(frozenset(checks), {} if unchecked else checks, fixes, partition_of)
    job = Requeue(options, settings.app_id, settings.dead_letters_topic, mender, telling.tell)
    try:
        await job.run(wish, dry=telling.dry)
    except RequeueFailed:
        telling.sum_up()
        raise


async def _read(settings: Settings, wish: Wish) -> Letters:
    async with LogSearch(settings.kafka_client_options()) as search:
        stretches = await stretches_of(search, settings.dead_letters_topic, wish)
        return await read_letters(search, stretches, wish)


def _wish(
    settings: Settings, *, from_: str | None, to: str | None, topic: str | None, **more: Any
) -> Wish:
    now = datetime.now(UTC)
    inputs = (settings.submitted_topic, settings.returned_topic)
    if topic is not None and topic not in inputs:
        raise WrongUse(f"--topic {topic} is none of the inputs: give {' or '.join(inputs)}.")
    from_ms = None if from_ is None else time_ms(from_, now)
    to_ms = None if to is None else time_ms(to, now, "--to")
    if from_ms is not None and to_ms is not None and to_ms <= from_ms:
        raise WrongUse(f"--to {to} is not after --from {from_}: give a later time.")
    return Wish(topic=topic, from_ms=from_ms, to_ms=to_ms, **more)


def _place(text: str) -> Place:
    try:
        return place_of(text)
    except ValueError as error:
        raise WrongUse(
            f"{text} is no place of a dead letter: give partition:offset as `returnwatch "
            "dead-letters list` shows it, such as 2:17."
        ) from error


def _fixes(texts: list[str], *, is_one: bool) -> dict[str, Any]:
    fixes: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            if not equals or not name:
                raise ValueError("no assignment")
            fixes[name] = json_text.loads(value)
        except ValueError as error:
            raise WrongUse(
                f"--fix {text} is not field=value with a value in JSON: give one like "
                "'attempt=2' or, a text in quotes, 'provider=\"acme\"'."
            ) from error
    if not is_one and fixes.keys() & {KEY, "order_id"}:
        raise WrongUse(
            "--fix of key or order_id would make one order of several: name one dead letter."
        )
    return fixes


def _complain_of_missing(letters: Letters, places: list[Place]) -> bool:
    missing = letters.missing(places)
    for place in missing:
        complain(no_letter(place))
    return bool(missing)
