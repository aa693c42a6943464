"""What rows.pyx gives, for the type checker."""

from streams.core.compiled.cells import Counter
from streams.core.gauges import Gauges
from streams.core.seconds import Second

class Teller:
    def __init__(self, counter: Counter) -> None: ...
    def closed(self, second_s: int, second: Second, gauges: Gauges) -> tuple[int, bytes] | None: ...
    def kept(self, second_s: int, second: Second) -> bytes: ...
