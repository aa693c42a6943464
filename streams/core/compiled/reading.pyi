"""What reading.pyx gives, for the type checker."""

from collections.abc import Iterable

from schemas.codec import Event
from schemas.records import Record

def read_submissions(records: Iterable[Record]) -> list[Event]: ...
def read_returns(records: Iterable[Record]) -> list[Event]: ...
