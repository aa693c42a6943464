"""Stock Faust with a table: a get and a set or delete per record, a timer that scans deadlines."""

from typing import Any

from tests.bench.peers.arguments import Arguments
from tests.bench.peers.faust_orders import (
    FINAL,
    EventTime,
    Return,
    Submission,
    alert,
    is_right,
    kept,
    new_app,
    run,
)

SCAN_S = 1.0
RETURNED_FIRST = "returned"


def main() -> None:
    arguments = Arguments.given()
    app = new_app(arguments)
    clock = EventTime(arguments.partitions)
    submitted = app.topic(arguments.submitted, key_type=bytes, value_type=Submission)
    returned = app.topic(arguments.returned, key_type=bytes, value_type=Return)
    alerts = app.topic(arguments.alerts, key_type=bytes, value_type=bytes)
    # The timer changes the table too, outside of any stream: the key's hash picks the partition.
    orders = app.Table(
        "orders",
        key_type=bytes,
        partitions=arguments.partitions,
        use_partitioner=True,
    )

    @app.agent(submitted)
    async def open_orders(stream: Any) -> None:
        async for event in stream.events():
            clock.see(event)
            if is_right(event):
                known = orders.get(event.key)
                if known is None:
                    orders[event.key] = kept(event)
                elif known == RETURNED_FIRST:
                    del orders[event.key]

    @app.agent(returned)
    async def close_orders(stream: Any) -> None:
        async for event in stream.events():
            clock.see(event)
            if is_right(event) and event.value.outcome in FINAL:
                known = orders.get(event.key)
                if known is None:
                    orders[event.key] = RETURNED_FIRST
                elif known != RETURNED_FIRST:
                    del orders[event.key]

    @app.timer(SCAN_S)
    async def tell() -> None:
        now_ms = clock.now_ms()
        due = [
            (key, order)
            for key, order in orders.items()
            if order != RETURNED_FIRST and order["deadline"] < now_ms
        ]
        for key, order in due:
            del orders[key]
            await alerts.send(key=key, value=alert(key.decode(), order, arguments.submitted))

    run(app)


if __name__ == "__main__":
    main()
