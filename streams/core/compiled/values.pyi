"""What values.pyx gives, for the type checker."""

from typing import Any

from schemas.records import Record

def plain_of(record: Record, side: int) -> dict[str, Any] | None: ...
