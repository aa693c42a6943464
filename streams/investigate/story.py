"""The story of one order: its records and alerts in time order, and what each of them means.

Pure: from evidence, rules and a time to a value that commands print. What had to be told is
decided once more by the worker's tracker and held against what was told.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.alerts import Alert
from schemas.deadletters import Requeued, StoredLetter
from schemas.times import rfc3339
from streams.core.decisions import Place
from streams.core.rules import Policy
from streams.investigate.ending import Ending, ending
from streams.investigate.evidence import Evidence, FourTopics
from streams.investigate.retelling import Turn, comment, in_words, retell


@dataclass(frozen=True, slots=True)
class View:
    """What a story is told by: names, rules, and the time up to which absence is taken as
    proven; `now_ms` is later by the grace."""

    topics: FourTopics
    policy: Policy
    until_ms: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class Step:
    """One record, or a deadline that passed (`evidence` is None); `notes` say what it did."""

    at_ms: int
    evidence: Evidence | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """`untold` are alerts that these rules want and the topic lacks; `unexplained` those that
    stand there and that these rules and records do not give."""

    order_id: str
    steps: tuple[Step, ...]
    ending: Ending
    untold: tuple[dict[str, Any], ...]
    unexplained: tuple[dict[str, Any], ...]

    @property
    def happened(self) -> str:
        """In one sentence, with what is remarkable about its alerts."""
        return " ".join((self.ending.sentence, *map(_remark, self.untold), *self._odd()))

    def _odd(self) -> Iterator[str]:
        if self.unexplained:
            kinds = ", ".join(str(value.get("type")) for value in self.unexplained)
            yield (
                f"Told besides: {kinds}, which these records do not give under the rules of this "
                "command's settings."
            )

    @property
    def is_complete(self) -> bool:
        """Whether the order came to an end that nobody has to look further for."""
        return self.ending.kind in ("answered", "returned_late", "conflicting_return")


def story_of(order_id: str, evidence: Sequence[Evidence], view: View) -> Story:
    """What the records say of an order; whatever of them is about another id is left out."""
    key = order_id.encode()
    inputs = [each for each in evidence if each.is_input and each.record.key == key]
    others = [each for each in evidence if not each.is_input]
    numbers = sorted({each.partition for each in inputs})
    turns = {number: _retold(order_id, number, inputs, view=view) for number in numbers}
    wanted = [alert for each in turns.values() for turn in each for alert in turn.alerts]
    told = [value for each in others if (value := alert_value(each)) is not None]
    steps = [_step(turn) for each in turns.values() for turn in each]
    steps += _other_steps(others, _ids(told), wanted)
    told_ids, wanted_ids = _ids(told), _ids(alert.value for alert in wanted)
    return Story(
        order_id,
        tuple(sorted(steps, key=_in_time)),
        ending(turns, others, view.now_ms),
        tuple(dict(it.value) for it in wanted if it.value["alert_id"] not in told_ids),
        tuple(value for value in told if value.get("alert_id") not in wanted_ids),
    )


def _remark(untold: Mapping[str, Any]) -> str:
    return (
        f"Its {untold['type']} stands in no alert that was read: no worker has decided it yet, or "
        "it runs under other rules."
    )


def alert_value(evidence: Evidence) -> dict[str, Any] | None:
    """The value of an alert; None where it is none, or cannot be read."""
    return evidence.said if isinstance(evidence.said, dict) else None


def _ids(alerts: Iterable[Mapping[str, Any]]) -> Counter[Any]:
    return Counter(value.get("alert_id") for value in alerts)


def decision(alert: Evidence) -> dict[str, str]:
    """What the headers of an alert say of the decision: worker, frontier, offsets, settings."""
    return {
        name.removeprefix("returnwatch-"): value.decode(errors="replace")
        for name, value in alert.record.headers
        if name.startswith("returnwatch-")
    }


def _retold(order_id: str, number: int, inputs: Sequence[Evidence], *, view: View) -> list[Turn]:
    place = Place(view.topics.submitted, view.topics.returned, number)
    its = [each for each in inputs if each.partition == number]
    return retell(order_id, place, its, policy=view.policy, until_ms=view.until_ms)


def _step(turn: Turn) -> Step:
    causes = [f"has to be told: {alert.type}" for alert in turn.alerts]
    return Step(turn.at_ms, turn.evidence, (*comment(turn), *causes))


def _in_time(step: Step) -> tuple[int, int]:
    """What was written in the same millisecond was written because of what was read."""
    is_written = step.evidence is not None and not step.evidence.is_input
    return step.at_ms, int(is_written)


def _other_steps(
    others: Sequence[Evidence], told: Counter[Any], wanted: Sequence[Alert]
) -> list[Step]:
    ids = {alert.value["alert_id"] for alert in wanted}
    steps = []
    for each in others:
        match each.said:
            case StoredLetter():
                notes = _of_letter(each.said)
            case Requeued():
                notes = _of_marker(each.said)
            case dict():
                notes = _of_alert(each, is_wanted=each.said.get("alert_id") in ids)
                if told[each.said.get("alert_id")] > 1:
                    notes.append("this alert was written more than once")
            case _:
                notes = ["is nothing that Returnwatch writes there"]
        steps.append(Step(each.at_ms, each, tuple(notes)))
    return steps


def _of_letter(letter: StoredLetter) -> list[str]:
    place = f"{letter.topic} {letter.origin_partition}:{letter.origin_offset}"
    return [f"the record at {place}, set aside", *map(in_words, letter.problems)]


def _of_marker(mark: Requeued) -> list[str]:
    partition, offset = mark.letter
    fixes = f" with {mark.fixes}" if mark.fixes else ""
    return [f"the record of the dead letter {partition}:{offset} was sent again{fixes}"]


def _of_alert(alert: Evidence, *, is_wanted: bool) -> list[str]:
    told = decision(alert)
    notes = []
    if told.get("frontier", "").lstrip("-").isdigit():
        frontier = rfc3339(int(told["frontier"]))
        notes.append(
            f"decided at {told.get('decided-at')} by {told.get('worker')}, everything before the "
            f"frontier {frontier} being worked (next offsets {told.get('offsets')})"
        )
    if "behind-frontier" in told:
        notes.append(f"its cause came in behind the frontier: {told['behind-frontier']} (ms)")
    if not is_wanted:
        notes.append("the records found and the rules here do not give this alert")
    return notes
