"""`python -m tests.bench.trace [--orders N]`: how long a trace takes in a million records.

Starts an Apache Kafka of its own (or takes RETURNWATCH_TEST_BOOTSTRAP), fills the inputs with a
load whose last deadline has passed a minute ago, and times the command as users run it, from its
start to its end: an answered order, one that never returned, and ids that are not there.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.bench.load import Load, load_topics, order_id
from tests.broker.shell import Shell
from tests.broker.source import open_broker
from tests.broker.topics import new_names

TIMES: Final = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=500_000)
    parser.add_argument("--partitions", type=int, default=4)
    arguments = parser.parse_args()
    load = Load(arguments.orders)
    middle = arguments.orders // 2 + 1  # A multiple of LOST_EVERY is lost.
    kinds = {
        "answered": ([order_id(middle)], "Answered"),
        "answered, all partitions": ([order_id(middle), "--all-partitions"], "Answered"),
        "timed out, with near misses": ([order_id(middle - 1)], "Timed out"),
        "timed out, --exact": ([order_id(middle - 1), "--exact"], "Timed out"),
        "unknown, with near misses": ([order_id(middle).upper() + "-x"], "Unknown"),
    }
    with open_broker() as broker, tempfile.TemporaryDirectory() as folder:
        names = new_names()
        print(
            f"loading {load.records:,} records into {arguments.partitions} partitions", flush=True
        )
        load_topics(broker.bootstrap, names, load, partitions=arguments.partitions)
        shell = Shell(names.env(broker.bootstrap), Path(folder))
        for kind, (words, begins) in kinds.items():
            took_s = [timed(shell, words, begins) for _ in range(TIMES)]
            print(f"{kind:<28} median {statistics.median(took_s):.2f} s, most {max(took_s):.2f} s")


def timed(shell: Shell, words: list[str], begins: str) -> float:
    began_s = time.monotonic()
    ended = shell.run("trace", *words)
    took_s = time.monotonic() - began_s
    assert any(line.startswith(begins) for line in ended.out.splitlines()), (ended.out, ended.err)
    return took_s


if __name__ == "__main__":
    main()
