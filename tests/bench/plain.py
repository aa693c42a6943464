"""The worker with plain sends instead of transactions: `python -m tests.bench.plain worker`.

For one comparison only, what transactions cost: nothing here is fenced or atomic.
"""

from typing import Any

from streams.entry import main
from streams.state import ledger


async def _nothing() -> None:
    """What is left of beginning and committing."""


def without_transactions() -> None:
    """Have every ledger's producer be an idempotent one, and no more."""
    producer = ledger.AIOKafkaProducer

    def plain(*, transactional_id: str, transaction_timeout_ms: int, **options: Any) -> Any:
        made = producer(**options)
        made.begin_transaction = made.commit_transaction = _nothing
        return made

    ledger.AIOKafkaProducer = plain


if __name__ == "__main__":
    without_transactions()
    main()
