"""How the interpreter is set for a worker: long stretches of one thread, few garbage collections.

Measured with `python -m tests.bench.throughput --only throughput`; see docs/benchmarks.md.
"""

import gc
import sys
from typing import Final

# Records are tuples and dicts without cycles, freed by reference counting; what the collector
# looks for comes from connections and errors, a few objects a second.
GC_THRESHOLDS: Final = (200_000, 20, 100)
SWITCH_INTERVAL_S: Final = 0.02  # Fetching and working hand over rarely, each with a whole batch.


def tune() -> None:
    """Set it, once, before the worker starts."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
