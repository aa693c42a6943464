"""Random scenarios by family: the same family and seed tell the same story."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tests.faults.sabotage import CHECKPOINT_STEPS, TAKEOVER_STEPS, Sabotage
from tests.faults.scenario import (
    Alone,
    BrokerDown,
    BrokerPause,
    BrokerUp,
    Close,
    Cont,
    Ended,
    Feed,
    FillDisk,
    FreeDisk,
    Kill,
    Leave,
    MinIsr,
    Net,
    Open,
    Poison,
    Ready,
    Scenario,
    Start,
    Step,
    Stop,
    Stopped,
    Submit,
    Told,
    Wait,
)

KILLS_A_ROUND: Final = 5


def story(family: str, seed: int) -> Scenario:
    """The scenario of one round of a family."""
    chance = random.Random(f"{family} {seed}")
    scenario = FAMILIES[family](chance)
    return replace(scenario, name=family, seed=seed)


def kills(chance: random.Random) -> Scenario:
    """Half of them at random instants of a run, half at a random named step."""
    steps: list[Step] = [Feed(chance.choice((30, 60))), Poison(2)]
    for _ in range(KILLS_A_ROUND):
        if chance.random() < 0.5:
            name = chance.choice((*CHECKPOINT_STEPS, *TAKEOVER_STEPS))
            nth = 1 if name in TAKEOVER_STEPS else chance.randint(1, 4)
            steps += [Start(0, Sabotage(name, nth)), Ended(0)]
        elif chance.random() < 0.5:
            steps += [Start(0), Ready(0), Wait(chance.uniform(0.0, 1.0)), Kill(0)]
        else:
            steps += [Start(0), Wait(chance.uniform(0.5, 4.0)), Kill(0)]
    return Scenario("", (*steps, Start(0)))


def zombies(chance: random.Random) -> Scenario:
    """One stops at a random instant or step, the other takes over, the first wakes."""
    if chance.random() < 0.5:
        first: list[Step] = [Start(0), Ready(0), Start(1), Ready(1)]
        first += [Wait(chance.uniform(0.0, 1.0)), Stop(0)]
    else:
        name = chance.choice((*CHECKPOINT_STEPS, *TAKEOVER_STEPS))
        nth = 1 if name in TAKEOVER_STEPS else chance.randint(3, 6)
        first = [Start(0, Sabotage(name, nth, "SIGSTOP")), Stopped(0), Start(1)]
    rest = (Alone(1), Told(20), Wait(chance.uniform(0.0, 1.0)), Cont(0), Ready(0), Ready(1))
    return Scenario("", (Feed(40), *first, *rest))


def broker_stops(chance: random.Random) -> Scenario:
    """The only broker ends, cleanly or not, and comes back."""
    how = chance.choice(("stop", "kill", "pause"))
    fault: tuple[Step, ...] = (
        (BrokerPause(chance.uniform(0.5, 4.0)),)
        if how == "pause"
        else (BrokerDown(0, how), Wait(chance.uniform(0.0, 3.0)), BrokerUp())
    )
    start = (Feed(40), Start(0), Ready(0), Wait(chance.uniform(0.0, 1.5)))
    return Scenario("", (*start, *fault, Wait(1.0)))


def network_cuts(chance: random.Random) -> Scenario:
    """The network fails in one way, twice."""
    steps: list[Step] = [Feed(40), Start(0), Ready(0)]
    for _ in range(2):
        mode = chance.choice(("cut", "drop to broker", "drop to worker", "delay"))
        steps += [Wait(chance.uniform(0.2, 1.0)), Net(mode, chance.uniform(0.02, 0.3))]
        steps += [Wait(chance.uniform(0.3, 4.0)), Net("pass")]
    return Scenario("", tuple(steps), proxied=True)


def storms(chance: random.Random) -> Scenario:
    """Three workers come and go over four partitions."""
    steps: list[Step] = [Feed(40), Start(0)]
    present = {0}
    for _ in range(6):
        worker = chance.randrange(3)
        if worker not in present:
            steps.append(Start(worker))
            present.add(worker)
        else:
            steps.append(chance.choice((Kill, Leave))(worker))
            present.remove(worker)
        steps.append(Wait(chance.uniform(0.0, 2.5)))
    steps += [] if 0 in present else [Start(0)]
    return Scenario("", tuple(steps), partitions=4)


def upstream(chance: random.Random) -> Scenario:
    """Returns in transactions that end in different ways."""
    steps: list[Step] = [Feed(30), Start(0), Ready(0)]
    for number in range(3):
        ids = tuple(f"t-{number}-{one}" for one in range(5))
        steps += [Submit(order_id) for order_id in ids]
        steps += [Open(ids, hangs_s=3), Wait(chance.uniform(0.0, 2.0))]
        steps.append(Close(chance.choice(("commit", "abort", "abandon"))))
    return Scenario("", tuple(steps))


def replicas(chance: random.Random) -> Scenario:
    """One of three brokers is lost, or writes are refused below min ISR."""
    which = chance.choice(("leader", "coordinator", "follower"))
    fault: tuple[Step, ...] = (
        BrokerDown(which, chance.choice(("kill", "stop"))),
        Wait(chance.uniform(0.5, 4.0)),
    )
    if chance.random() < 0.5:
        fault = (*fault, MinIsr(3), Wait(2.0), BrokerUp(), MinIsr(2))
    return Scenario("", (Feed(40), Start(0), Ready(0), *fault, BrokerUp(), Wait(1.0)))


def full_disks(chance: random.Random) -> Scenario:
    """The broker's disk is full for a while."""
    full = (FillDisk(), Wait(chance.uniform(1.0, 4.0)), FreeDisk())
    start = (Feed(60), Start(0), Ready(0), Wait(chance.uniform(0.0, 1.0)))
    return Scenario("", (*start, *full, BrokerDown(0, "kill"), BrokerUp()))


FAMILIES: Final[dict[str, Callable[[random.Random], Scenario]]] = {
    "kills": kills,
    "zombies": zombies,
    "broker stops": broker_stops,
    "network cuts": network_cuts,
    "storms": storms,
    "upstream transactions": upstream,
    "three brokers": replicas,
    "full disks": full_disks,
}
ARENAS: Final = {"three brokers": "trio", "full disks": "small_disk"}  # The others: lone.
