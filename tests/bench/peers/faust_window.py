"""Stock Faust with a tumbling window: an order whose window closes without a return is told.

Faust closes windows by the wall clock, checked every so often, whatever has been read. So on a log
that is older than the window it closes orders whose return is still to be read; the alerts that
come of it are what the count shows.
"""

from typing import Any

from tests.bench.peers.arguments import Arguments
from tests.bench.peers.faust_orders import (
    FINAL,
    WITHIN_MS,
    EventTime,
    Return,
    Submission,
    alert,
    is_right,
    kept,
    new_app,
    run,
)

WINDOW_S = WITHIN_MS / 1_000
RETURNED = "returned"


def main() -> None:
    arguments = Arguments.given()
    app = new_app(arguments)
    app.conf.table_cleanup_interval = 1.0
    clock = EventTime(arguments.partitions)
    submitted = app.topic(arguments.submitted, key_type=bytes, value_type=Submission)
    returned = app.topic(arguments.returned, key_type=bytes, value_type=Return)
    alerts = app.topic(arguments.alerts, key_type=bytes, value_type=bytes)

    async def tell(window: tuple[str, tuple[float, float]], order: Any) -> None:
        """A return lies in the window of its submission or in the next."""
        order_id, (begin_s, end_s) = window
        following = (order_id, (begin_s + WINDOW_S, end_s + WINDOW_S))
        if order == RETURNED or order is None or orders.table.data.get(following) == RETURNED:
            return
        value = alert(order_id, order, arguments.submitted)
        await alerts.send(key=order_id.encode(), value=value)

    orders = app.Table(
        "orders",
        default=lambda: None,
        key_type=str,  # With its window it makes a JSON list.
        partitions=arguments.partitions,
        on_window_close=tell,
    ).tumbling(WINDOW_S, expires=2 * WINDOW_S)

    @app.agent(submitted)
    async def open_orders(stream: Any) -> None:
        async for event in stream.events():
            clock.see(event)
            if is_right(event) and orders[event.value.order_id].current() != RETURNED:
                orders[event.value.order_id] = kept(event)

    @app.agent(returned)
    async def close_orders(stream: Any) -> None:
        async for event in stream.events():
            clock.see(event)
            if is_right(event) and event.value.outcome in FINAL:
                orders[event.value.order_id] = RETURNED

    run(app)


if __name__ == "__main__":
    main()
