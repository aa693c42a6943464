"""Failure as data: a scenario is a list of steps, told like a story."""

from dataclasses import dataclass
from typing import Literal

from tests.faults.sabotage import Sabotage


@dataclass(frozen=True, slots=True)
class Feed:
    """From now on so many orders a second; 0 ends it."""

    per_s: float


@dataclass(frozen=True, slots=True)
class Batch:
    """So many orders at once."""

    orders: int


@dataclass(frozen=True, slots=True)
class Poison:
    """So many records that cannot be read, on each topic."""

    records: int


@dataclass(frozen=True, slots=True)
class Submit:
    """A submission of one order, named."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A final return of one order."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Start:
    """A worker is started, sabotaged or not; from now on one that fails is started again."""

    worker: int = 0
    sabotage: Sabotage = Sabotage()  # noqa: RUF009 - it is frozen.


@dataclass(frozen=True, slots=True)
class Ready:
    """Until the worker has its partitions."""

    worker: int = 0


@dataclass(frozen=True, slots=True)
class Alone:
    """Until the worker has every partition."""

    worker: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """Until so many alerts are readable."""

    alerts: int


@dataclass(frozen=True, slots=True)
class Settled:
    """Until the worker's newest checkpoint holds all that is in the inputs."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Until the worker has ended itself at its step."""

    worker: int = 0


@dataclass(frozen=True, slots=True)
class Stopped:
    """Until the worker has stopped itself at its step."""

    worker: int = 0


@dataclass(frozen=True, slots=True)
class Kill:
    """kill -9."""

    worker: int = 0


@dataclass(frozen=True, slots=True)
class Leave:
    """SIGTERM; the worker has to end with status 0."""

    worker: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    """SIGSTOP."""

    worker: int = 0


@dataclass(frozen=True, slots=True)
class Cont:
    """SIGCONT."""

    worker: int = 0


Broker = int | Literal["leader", "coordinator", "follower"]


@dataclass(frozen=True, slots=True)
class BrokerDown:
    """A broker ends; by number, or by its part for partition 0 (coordinator: of transactions)."""

    broker: Broker = 0
    how: Literal["stop", "kill"] = "kill"


@dataclass(frozen=True, slots=True)
class BrokerUp:
    """Every broker that is down is started again."""


@dataclass(frozen=True, slots=True)
class BrokerPause:
    """A broker stands still, for so long."""

    seconds: float
    broker: Broker = 0


@dataclass(frozen=True, slots=True)
class Net:
    """What lies between workers and broker: see tests.faults.proxy."""

    mode: Literal["pass", "cut", "drop to broker", "drop to worker", "delay"]
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class MinIsr:
    """How many replicas alerts and changelog need from now on for a write."""

    replicas: int


@dataclass(frozen=True, slots=True)
class Open:
    """An upstream transaction begins, with returns for these orders; one that hangs for so long is
    aborted by the broker."""

    order_ids: tuple[str, ...]
    hangs_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Close:
    """It ends."""

    how: Literal["commit", "abort", "abandon"] = "commit"


@dataclass(frozen=True, slots=True)
class FillDisk:
    """Nothing more can be written to the broker's disk."""


@dataclass(frozen=True, slots=True)
class FreeDisk:
    """It has room again."""


Step = (
    Feed | Batch | Poison | Submit | Answer | Wait | Start | Ready | Alone | Told | Settled
    | Ended | Stopped | Kill | Leave | Stop | Cont | BrokerDown | BrokerUp | BrokerPause | Net
    | MinIsr | Open | Close | FillDisk | FreeDisk
)  # fmt: skip


OfWorker = Start | Ready | Ended | Stopped | Kill | Leave | Stop | Cont

FAULTS = (
    Ended, Kill, Leave, Stop, Stopped, BrokerDown, BrokerPause, Net, MinIsr, Open, FillDisk
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scenario:
    """Steps in their order; at the end everything is healed, fed a little more, and audited."""

    name: str
    steps: tuple[Step, ...]
    seed: int = 1
    partitions: int = 2
    proxied: bool = False
    patience_s: float = 60.0  # For what is still missing at the end.

    @property
    def faults(self) -> int:
        """How many faults are in it: kills, stops, broken brokers and networks."""
        return sum(isinstance(step, FAULTS) and step != Net("pass") for step in self.steps)

    def __str__(self) -> str:
        lines = [f"scenario {self.name!r}, seed {self.seed}, {self.partitions} partitions:"]
        return "\n".join([*lines, *(f"    {step}," for step in self.steps)])
