"""Plays a scenario: does its steps one by one, heals everything, and has it audited."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Producer

from tests.broker.kafka import KafkaNode
from tests.broker.orders import Desk, a_return, now_ms
from tests.broker.records import new_producer, put
from tests.broker.topics import LOG_APPEND_TIME, Names, create_topics, new_names
from tests.faults import scenario as steps
from tests.faults.arena import Arena
from tests.faults.auditor import Auditor, Report
from tests.faults.log import InputLog
from tests.faults.staff import WAIT_S, Staff
from tests.faults.traffic import Traffic
from tests.faults.verdicts import Terms

TERMS: Final = Terms(return_within_ms=1_000, grace_ms=300, hold_ms=1_500, remember_ms=60_000)
SETTINGS: Final = {
    "RETURNWATCH_RETURN_WITHIN_S": "1",
    "RETURNWATCH_GRACE_S": "0.3",
    "RETURNWATCH_HOLD_S": "1.5",
    "RETURNWATCH_REMEMBER_S": "60",
    "RETURNWATCH_CHECKPOINT_INTERVAL_S": "0.3",
    "RETURNWATCH_LOG_FORMAT": "json",
}
SETTLE_POLL_S: Final = 0.2
CALM_ORDERS: Final = 20
CALM_S: Final = 0.3


@dataclass(slots=True)
class Outcome:
    """What came of a play: the audit, and what the workers went through."""

    report: Report
    restarts: int  # Of workers that stopped by themselves with a failure.
    statuses: set[int]  # That the workers ended with, asked to leave.
    calm_from_ms: int  # From here on nothing was wrong any more.
    texts: dict[int, str] = field(default_factory=dict)  # What each worker printed.

    @property
    def findings(self) -> dict[str, list[str]]:
        """What was wrong, by kind; nothing if all is well."""
        wrong = [f"a worker left with status {status}" for status in self.statuses - {0}]
        return self.report.findings | ({"status": wrong} if wrong else {})

    @property
    def latest_calm_ms(self) -> int:
        """The longest delay of an alert since all was well again."""
        return self.report.latest_ms(self.calm_from_ms)


def play(scenario: steps.Scenario, arena: Arena, folder: Path) -> Outcome:
    """The outcome; an AssertionError where something did not go on within its time."""
    print(f"\n{scenario}")
    with Stage(scenario, arena, folder) as stage:
        for step in scenario.steps:
            stage.do(step)
        outcome = stage.finish()
    print(f"{scenario.name}: {outcome.report}")
    return outcome


def play_all(scenarios: Iterable[steps.Scenario], arena: Arena, folder: Path) -> list[Outcome]:
    """Side by side, each with topics of its own; for scenarios that leave the broker alone."""
    wanted = list(scenarios)
    with ThreadPoolExecutor(len(wanted)) as pool:  # Its threads outlive what they start.
        return list(pool.map(lambda scenario: play(scenario, arena, folder), wanted))


class Stage:
    """One scenario's topics, traffic and workers."""

    def __init__(self, scenario: steps.Scenario, arena: Arena, folder: Path) -> None:
        self._scenario = scenario
        self._arena = arena
        self.names: Names = new_names()
        self._auditor = Auditor(arena.bootstrap, self.names, scenario.partitions, TERMS)
        self._desk = Desk(arena.bootstrap, self.names)
        env = self.names.env(arena.way_in(proxied=scenario.proxied), **SETTINGS)
        self._staff = Staff(env, folder, arena.nursery.spawn)
        self._transaction: Producer | None = None

    def __enter__(self) -> "Stage":
        topics = self.names.topics(self._scenario.partitions)
        partitions, config = topics[self.names.alerts]
        topics[self.names.alerts] = (partitions, {**config, **LOG_APPEND_TIME})
        create_topics(self._arena.bootstrap, topics)
        self._traffic = Traffic(self._arena.bootstrap, self.names, self._scenario.seed)
        return self

    def __exit__(self, *error: Any) -> None:
        self._traffic.abandon()
        self._staff.send_home(*error)

    def do(self, step: steps.Step) -> None:
        """One step, to its end."""
        if isinstance(step, steps.OfWorker):
            self._staff.do(step)
        else:
            DO[type(step)](self, step)

    def finish(self) -> Outcome:
        """Heal, feed a little more, wait until all is told, end the workers, audit."""
        self._heal()
        self._staff.resume()
        self._wait_for_markers()
        calm_from_ms = now_ms()
        self._traffic.batch(CALM_ORDERS)
        time.sleep(CALM_S)
        self._traffic.finish()
        for topic in (self.names.submitted, self.names.returned):
            self._staff.wait_until(partial(self._is_whole, topic), f"the end of {topic}")
        log = self._auditor.inputs()
        self._settle(log)
        statuses = self._staff.end()
        report = self._auditor.audit(log)
        return Outcome(report, self._staff.restarts, statuses, calm_from_ms, self._staff.texts())

    def _is_whole(self, topic: str) -> bool:
        return not self._arena.hangs(topic, self._scenario.partitions)

    def _heal(self) -> None:
        if self._arena.proxy is not None:
            self._arena.proxy.set("pass")
        self.broker_up()
        self._staff.wait_until(self._arena.is_whole, "every replica in sync")
        if self._transaction is not None:
            self.close(steps.Close("abort"))

    def _wait_for_markers(self) -> None:
        """A new coordinator begins no transaction of an id before it has written the markers of
        the one before, which takes Kafka up to 30 s where the brokers of both have died."""
        outputs = (self.names.alerts, self.names.dead_letters, self.names.changelog)
        partitions = self._scenario.partitions
        ends = {topic: self._arena.ends(topic, partitions) for topic in outputs}

        def are_written() -> bool:
            return all(
                stable >= end
                for topic in outputs
                for stable, end in zip(
                    self._arena.stable_ends(topic, partitions), ends[topic], strict=True
                )
            )

        self._staff.wait_until(are_written, "the markers of the transactions that were under way")

    def _settle(self, log: InputLog) -> None:
        """Until nothing is missing; what is missing after that is for the audit to say."""
        until = time.monotonic() + self._scenario.patience_s
        while self._auditor.missing(log) and time.monotonic() < until:
            self._staff.supervise()
            time.sleep(SETTLE_POLL_S)

    # Traffic.

    def feed(self, step: steps.Feed) -> None:
        self._traffic.start(step.per_s)

    def batch(self, step: steps.Batch) -> None:
        self._traffic.batch(step.orders)

    def poison(self, step: steps.Poison) -> None:
        self._traffic.poison(step.records)

    def submit(self, step: steps.Submit) -> None:
        self._desk.submit(step.order_id)

    def answer(self, step: steps.Answer) -> None:
        self._desk.answer(step.order_id)

    def alone(self, step: steps.Alone) -> None:
        self._staff.wait_until_alone(step.worker, self._scenario.partitions)

    def told(self, step: steps.Told) -> None:
        self._staff.wait_until(lambda: len(self._desk.alerts()) >= step.alerts, step)

    def settled(self, step: steps.Settled) -> None:
        log = self._auditor.inputs()
        self._staff.wait_until(lambda: not self._auditor.unread(log), step)

    def wait(self, step: steps.Wait) -> None:
        time.sleep(step.seconds)

    def open(self, step: steps.Open) -> None:
        options = {
            "transactional.id": self.names.app_id,
            "transaction.timeout.ms": int(step.hangs_s * 1_000),
        }
        producer = new_producer(self._arena.bootstrap, **options)
        producer.init_transactions(WAIT_S)
        producer.begin_transaction()
        for order_id in step.order_ids:
            put(producer, self.names.returned, a_return(order_id))
        producer.flush(WAIT_S)
        self._transaction = producer

    def close(self, step: steps.Close) -> None:
        producer, self._transaction = self._transaction, None
        assert producer is not None, "no transaction is open"
        if step.how == "commit":
            producer.commit_transaction(WAIT_S)
        elif step.how == "abort":
            producer.abort_transaction(WAIT_S)
        else:
            producer.purge()  # It goes away without a word.

    # Brokers and network.

    def broker_down(self, step: steps.BrokerDown) -> None:
        node = self._node(step.broker)
        if step.how == "kill":
            node.kill()
        else:
            node.stop()

    def _node(self, broker: steps.Broker) -> KafkaNode:
        match broker:
            case "leader":
                number = self._arena.leader(self.names.returned)
            case "follower":
                number = self._arena.follower(self.names.submitted, self.names.returned)
            case "coordinator":
                number = self._arena.coordinator(f"{self.names.app_id}-0")
            case _:
                number = broker
        return self._arena.node(number)

    def broker_up(self, _: steps.BrokerUp | None = None) -> None:
        down = [node for node in self._arena.cluster.nodes if node.process.returncode is not None]
        for node in down:
            node.start()
        if down:
            self._arena.cluster.wait_until_ready()

    def broker_pause(self, step: steps.BrokerPause) -> None:
        node = self._node(step.broker)
        node.pause()
        try:
            time.sleep(step.seconds)
        finally:
            node.resume()

    def net(self, step: steps.Net) -> None:
        assert self._arena.proxy is not None, "no proxy stands before this cluster"
        self._arena.proxy.set(step.mode, step.delay_s)

    def fill_disk(self, _: steps.FillDisk) -> None:
        assert self._arena.disk is not None, "the broker's disk is not ours to fill"
        self._arena.disk.fill()

    def free_disk(self, _: steps.FreeDisk) -> None:
        assert self._arena.disk is not None, "the broker's disk is not ours to fill"
        self._arena.disk.free()

    def min_isr(self, step: steps.MinIsr) -> None:
        self._arena.set_min_isr(self.names, step.replicas)


DO: Final[dict[type, Callable[[Stage, Any], None]]] = {
    steps.Feed: Stage.feed,
    steps.Batch: Stage.batch,
    steps.Poison: Stage.poison,
    steps.Submit: Stage.submit,
    steps.Answer: Stage.answer,
    steps.Wait: Stage.wait,
    steps.Alone: Stage.alone,
    steps.Told: Stage.told,
    steps.Settled: Stage.settled,
    steps.BrokerDown: Stage.broker_down,
    steps.BrokerUp: Stage.broker_up,
    steps.BrokerPause: Stage.broker_pause,
    steps.Net: Stage.net,
    steps.MinIsr: Stage.min_isr,
    steps.FillDisk: Stage.fill_disk,
    steps.FreeDisk: Stage.free_disk,
    steps.Open: Stage.open,
    steps.Close: Stage.close,
}
