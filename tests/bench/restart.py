"""`python -m tests.bench.restart [--orders 100000]`: how soon a worker is ready again.

So many orders are open, the worker is stopped and started; the time runs from the start of the
process to `/readyz`, and the restore itself is what the worker's log says of it.
"""

import argparse
import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load import fill, submission
from tests.broker.records import NewRecord
from tests.broker.source import open_broker
from tests.broker.topics import create_topics, new_names
from tests.broker.worker import WorkerProcess

WITHIN_S = 86_400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with open_broker() as broker, tempfile.TemporaryDirectory() as folder:
        names = new_names()
        create_topics(broker.bootstrap, names.topics(arguments.partitions))
        fill(broker.bootstrap, names.submitted, _orders(arguments.orders))
        env = names.env(
            broker.bootstrap,
            RETURNWATCH_RETURN_WITHIN_S=str(WITHIN_S),
            RETURNWATCH_CHECKPOINT_INTERVAL_S="0.5",
            RETURNWATCH_LOG_FORMAT="json",
        )
        with WorkerProcess(env, Path(folder)) as worker:
            _wait_for(worker, arguments.orders)
            for _ in range(arguments.repeat):
                worker.terminate()
                print(f"stopped: {_restart(worker, arguments.orders)}")
            worker.kill()
            print(f"killed, so its session has to end first: {_restart(worker, arguments.orders)}")
            worker.terminate()


def _orders(count: int) -> Iterator[NewRecord]:
    now_ms = time.time_ns() // 1_000_000
    return (submission(number, now_ms) for number in range(count))


def _wait_for(worker: WorkerProcess, orders: int) -> None:
    worker.wait_until_ready()
    while worker.metric("returnwatch_orders", state="open") < orders:
        time.sleep(0.1)
    while worker.metric("returnwatch_consumer_lag_records") > 0:
        time.sleep(0.1)


def _restart(worker: WorkerProcess, orders: int) -> str:
    told_before = len(worker.text())
    began_s = time.monotonic()
    worker.start()
    worker.wait_until_ready()
    ready_s = time.monotonic() - began_s
    assert worker.metric("returnwatch_orders", state="open") == orders
    lines = re.findall(r"^\{.*partition taken over.*\}$", worker.text()[told_before:], re.M)
    took_s = max(json.loads(line)["took_s"] for line in lines)
    return (
        f"ready {ready_s:.2f} s after the start of the process with {orders:,} open orders; the "
        f"longest takeover took {took_s:.2f} s ({orders / took_s:,.0f} orders/s over all)"
    )


if __name__ == "__main__":
    main()
