"""Which broker the tests use: the one named, else Apache Kafka, else the embedded one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from streams.demo.embedded import EmbeddedBroker
from tests.broker.jars import KafkaMissing
from tests.broker.kafka import KafkaCluster
from tests.broker.topics import is_embedded

NAMED: Final = "RETURNWATCH_TEST_BOOTSTRAP"


@dataclass(frozen=True, slots=True)
class Broker:
    bootstrap: str
    ours: bool  # Started here and gone afterwards: nothing in it needs to be tidied.
    missing: str = ""  # Why it is not a real Kafka; empty where it is.


@contextmanager
def open_broker() -> Iterator[Broker]:
    """With CI=true a missing Kafka raises KafkaMissing instead of falling back."""
    named = os.environ.get(NAMED)
    if named:
        missing = f"{NAMED} names an embedded broker" if is_embedded(named) else ""
        yield Broker(named, ours=False, missing=missing)
        return
    try:
        cluster = KafkaCluster().__enter__()
    except KafkaMissing as why:
        if os.environ.get("CI") == "true":
            raise
        with EmbeddedBroker() as embedded:
            yield Broker(embedded.bootstrap, ours=True, missing=str(why))
        return
    try:
        yield Broker(cluster.bootstrap, ours=True)
    finally:
        cluster.__exit__(None, None, None)
