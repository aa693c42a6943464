"""What an audit says of the stretch that it judged."""

from io import StringIO

from rich.console import Console

from streams.commands.audit_report import show_audit
from streams.core.sequence import NEVER_MS
from streams.investigate.audit import Audited
from streams.investigate.ledger import Judgement
from streams.investigate.statement import Totals
from streams.investigate.stretch import Portion

BEGIN_MS = 1_800_000_000_000


def first_line(*ends_ms: int) -> str:
    portions = [
        Portion(number, (0, 0), (0, 0), (0, 0), proven_ms=end, from_ms=BEGIN_MS, to_ms=end)
        for number, end in enumerate(ends_ms)
    ]
    page = StringIO()
    show_audit(Console(file=page, width=200), portions, Audited(Judgement(), Totals(), []))
    return page.getvalue().splitlines()[0]


def test_the_stretch_ends_where_the_partition_that_is_furthest_back_does() -> None:
    line = first_line(BEGIN_MS + 1_000, BEGIN_MS + 2_000)

    assert line.endswith(
        "to 2027-01-15T08:00:01.000Z (the furthest partition 2027-01-15T08:00:02.000Z):"
    )


def test_a_partition_without_any_record_is_said_and_has_no_end() -> None:
    line = first_line(NEVER_MS, BEGIN_MS + 2_000)

    assert line.endswith("to 2027-01-15T08:00:02.000Z; of 1 partition no record is worked yet:")


def test_without_any_record_at_all_the_stretch_ends_nowhere() -> None:
    assert "to nowhere; of 2 partitions no record is worked yet:" in first_line(NEVER_MS, NEVER_MS)
