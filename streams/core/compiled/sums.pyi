"""What sums.pyx gives, for the type checker."""

from schemas.stats import StatsRow

def added_up(rows: list[StatsRow]) -> list[StatsRow]: ...
