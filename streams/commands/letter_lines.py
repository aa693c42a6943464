"""Dead letters in lines, and what a requeue says of each."""

from dataclasses import dataclass, field
from typing import Any

from rich.text import Text

from schemas.deadletters import Requeued, StoredLetter
from schemas.times import rfc3339
from streams.commands.console import complain, out, printable
from streams.commands.trace import shown
from streams.investigate.documents import letter_document, raw_document
from streams.investigate.letters import Place, provider_of
from streams.investigate.requeue import Plan


def letter_line(letter: StoredLetter, requeued: Requeued | None) -> Text:
    """A letter in one line; of one that was sent again, when."""
    line = Text("{}:{}".format(*letter.place), style="bold")
    line.append(f"  {rfc3339(letter.record.timestamp_ms)}", style="dim")
    line.append(f"  {letter.topic} {letter.origin_partition}:{letter.origin_offset}")
    line.append(f"  key {shown(letter.record.key)}")
    provider = provider_of(letter)
    if provider is not None:
        line.append(f"  provider {printable(provider)}")
    wrong = "; ".join(f"{it.field} {it.problem}" for it in letter.problems)
    line.append(f"  {printable(wrong)}", style="cyan")
    if requeued is not None:
        line.append(f"  sent again {rfc3339(requeued.at_ms)}", style="green")
    return line


def show_letter(letter: StoredLetter, requeued: Requeued | None) -> None:
    """A letter with what would be right, and the record that it was."""
    out.print(letter_line(letter, requeued))
    for problem in letter.problems:
        out.print(Text(f"    {printable(problem.field)} {printable(problem.problem)}"))
        out.print(Text(f"    right would be: {printable(problem.hint)}", style="green"))
    for name, value in letter.record.headers:
        out.print(Text(f"    header {printable(name)}: {shown(value)}", style="dim"))
    out.print(Text(f"    value {shown(letter.record.value)}"))
    if requeued is not None and requeued.fixes:
        out.print(Text(f"    sent again with {requeued.fixes}"))


def listed_document(letter: StoredLetter, requeued: Requeued | None) -> dict[str, Any]:
    """The same for programs."""
    sent_again = requeued and {
        "at": rfc3339(requeued.at_ms),
        "topic": requeued.topic,
        "partition": requeued.partition,
        "fixes": requeued.fixes,
    }
    return {
        **letter_document(letter),
        "at": rfc3339(letter.record.timestamp_ms),
        "provider": provider_of(letter),
        "raw": raw_document(letter.record),
        "requeued": sent_again,
    }


def no_letter(place: Place) -> str:
    """A sentence for a place where none stands."""
    return (
        "there is no dead letter at {}:{} that matches; see: returnwatch dead-letters list".format(
            *place
        )
    )


@dataclass(slots=True)
class Telling:
    """Says what becomes of each letter, and counts."""

    dry: bool
    sent: int = 0
    before: int = 0
    refused: int = 0
    is_cut: bool = False
    _seen: set[Place] = field(default_factory=set)

    def tell(self, plan: Plan) -> None:
        """What one partition's requeue did, or would."""
        self.is_cut |= plan.letters.is_cut
        self._seen |= {letter.place for letter in plan.letters.found}
        for letter in plan.letters.found:
            requeued = plan.letters.requeued.get(letter.place)
            if requeued is not None:
                self.before += 1
                at = rfc3339(requeued.at_ms)
                out.print("{}:{} was sent again at {}, not twice".format(*letter.place, at))
        would = "would be sent" if self.dry else "sent"
        for it in plan.sendings:
            self.sent += 1
            line = "{}:{} {} to {} {}".format(
                *it.letter.place, would, it.letter.topic, it.partition
            )
            value = f" as {shown(it.record.value)}" if self.dry or it.fixes else ""
            out.print(Text(line + value))
        for letter, reasons in plan.refused:
            self.refused += 1
            for reason in reasons:
                place = "{}:{}".format(*letter.place)
                complain(f"{place} is not sent, as it would be set aside again: {reason}")

    def missing(self, places: frozenset[Place]) -> list[Place]:
        """Those asked for where no letter was."""
        return sorted(places - self._seen)

    def sum_up(self) -> None:
        """In numbers."""
        would = "would be sent again" if self.dry else "sent again"
        parts = [f"{self.sent} {would}"]
        if self.before:
            parts.append(f"{self.before} sent before")
        if self.refused:
            parts.append(f"{self.refused} not sent")
        out.print(", ".join(parts))
        if self.is_cut:
            complain("there are more that match: type the same again for the next ones")
