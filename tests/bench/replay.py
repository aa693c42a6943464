"""`python -m tests.bench.replay [--orders N]`: how many events a second a replay goes through.

Starts an Apache Kafka of its own (or takes RETURNWATCH_TEST_BOOTSTRAP), loads both inputs and runs
`returnwatch replay` over them: as one process and, with --processes, as several. Figures of one
machine compare with each other; of two machines they do not.
"""

import argparse
import re
import resource
import tempfile
from pathlib import Path

from tests.bench.load import Load, load_topics
from tests.broker.shell import Shell
from tests.broker.source import open_broker
from tests.broker.topics import new_names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=500_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--processes", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    load = Load(arguments.orders)
    with open_broker() as broker, tempfile.TemporaryDirectory() as folder:
        names = new_names()
        print(f"loading {load.records:,} records, {load.open_at_once:,} orders open at once")
        load_topics(broker.bootstrap, names, load, partitions=arguments.partitions)
        shell = Shell(names.env(broker.bootstrap), Path(folder), timeout_s=3_600)
        for _ in range(arguments.rounds):
            for processes in arguments.processes:
                print(replayed(shell, load, processes))


def replayed(shell: Shell, load: Load, processes: int) -> str:
    """One replay of all there is: events a second as it tells them, and its CPU per event."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = shell.run("replay", "--processes", str(processes))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.status == 0, ended.err
    found = re.search(r"^([\d,]+) records .* in ([\d.]+) s \(([\d,]+) a second\)", ended.out)
    assert found is not None, ended.out
    records = int(found[1].replace(",", ""))
    assert records == load.records, f"{records} of {load.records} records"
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (
        f"{processes} process{'es' if processes > 1 else ''}: {found[3]} events/s, {found[2]} s, "
        f"{cpu_s / records * 1e6:.2f} us CPU an event with start and end, "
        f"{after.ru_maxrss / 1024:.0f} MB resident at most"
    )


if __name__ == "__main__":
    main()
