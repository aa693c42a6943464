"""The command line of the Python peers: `name=value`, as the Java ones take it."""

import sys
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Arguments:
    bootstrap: str
    submitted: str
    returned: str
    alerts: str
    group: str
    partitions: int
    folder: str  # Where it may leave files.

    @classmethod
    def given(cls) -> Self:
        """Of this process; those it has no use for are passed over."""
        pairs = dict(argument.split("=", 1) for argument in sys.argv[1:])
        partitions = int(pairs["partitions"])
        texts = {name: pairs[name] for name in cls.__slots__ if name != "partitions"}
        return cls(partitions=partitions, **texts)
