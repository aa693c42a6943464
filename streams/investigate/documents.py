"""A story as JSON: what `trace --json` prints, and other programs read."""

from typing import Any

from msgspec.structs import asdict

from schemas.deadletters import Requeued, StoredLetter
from schemas.events import Return, Submission
from schemas.records import Record, Unreadable
from schemas.times import rfc3339
from streams.investigate.evidence import Evidence, Role
from streams.investigate.story import Step, Story, decision


def story_document(story: Story) -> dict[str, Any]:
    """The whole story; bytes that are not UTF-8 stand in it with backslashes."""
    return {
        "order_id": story.order_id,
        "ending": story.ending.kind,
        "happened": story.happened,
        "steps": [_step(step) for step in story.steps],
        "untold": list(story.untold),
        "unexplained": list(story.unexplained),
    }


def _step(step: Step) -> dict[str, Any]:
    at = {"at": rfc3339(step.at_ms), "notes": list(step.notes)}
    evidence = step.evidence
    if evidence is None:
        return {"role": "timer", **at}
    return {
        "role": str(evidence.role),
        **at,
        "topic": evidence.topic,
        "partition": evidence.partition,
        "offset": evidence.record.offset,
        "timestamp_ms": evidence.at_ms,
        "parsed": _parsed(evidence),
        "raw": raw_document(evidence.record),
        **({"decision": decision(evidence)} if evidence.role is Role.ALERT else {}),
    }


def _parsed(evidence: Evidence) -> dict[str, Any] | None:
    match evidence.said:
        case Submission() | Return() as event:
            return {name: it for name, it in asdict(event).items() if it not in (None, ())}
        case Unreadable() as unreadable:
            return {"problems": [problem._asdict() for problem in unreadable.problems]}
        case StoredLetter() as letter:
            return letter_document(letter)
        case Requeued() as mark:
            return {
                "letter": "{}:{}".format(*mark.letter),
                "topic": mark.topic,
                "partition": mark.partition,
                "fixes": mark.fixes,
            }
        case value:
            return value


def letter_document(letter: StoredLetter) -> dict[str, Any]:
    """Where a dead letter's record stood, and what is wrong with it."""
    return {
        "letter": "{}:{}".format(*letter.place),
        "topic": letter.topic,
        "partition": letter.origin_partition,
        "offset": letter.origin_offset,
        "problems": [problem._asdict() for problem in letter.problems],
    }


def raw_document(record: Record) -> dict[str, Any]:
    """Key, value and headers as texts."""
    return {
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": [[name, _text(value)] for name, value in record.headers],
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")
