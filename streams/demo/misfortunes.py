"""What each cause does to an order of the simulator."""

from dataclasses import dataclass
from random import Random
from typing import Any, Final, NamedTuple

from schemas.incidents import Cause, Scope

PERMISSION_CODES: Final = ("403", "401", "ACCESS_DENIED")
DATA_CODES: Final = ("400", "422", "INVALID_AMOUNT")
NETWORK_CODES: Final = ("504", "TIMEOUT", "CONNECTION_RESET")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, where, from when (seconds after the history's start), how long, and for
    which share of the orders. `variant` picks one of the ways in which a cause can show."""

    cause: Cause
    scope: Scope
    start_s: int
    seconds: int
    strength: float = 1.0
    variant: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back: `mangled` is how the id differs, `spoiled` a field that is wrong."""

    at_ms: int
    outcome: str
    code: str | None = None
    mangled: int | None = None
    spoiled: bool = False

    def id_of(self, order_id: str) -> str:
        """The order id that it names."""
        if self.mangled is None:
            return order_id
        return (order_id.upper(), f"000{order_id}", f" {order_id}", f"pg:{order_id}")[self.mangled]

    def fields(self, order_id: str, provider: str) -> dict[str, Any]:
        """The value of its record."""
        outcome = "done" if self.spoiled else self.outcome
        fields = {
            "order_id": order_id,
            "returned_at": self.at_ms,
            "outcome": outcome,
            "provider": provider,
        }
        return fields if self.code is None else {**fields, "code": self.code}


class Order(NamedTuple):
    """An order, all that comes back for it, and how many equal ones are sent with it."""

    number: int
    sent_ms: int
    provider: str
    merchant: str
    kind: str
    amount_minor: int
    currency: str
    answers: tuple[Answer, ...]
    copies: int = 1
    spoiled: bool = False

    def id_of(self, copy: int) -> str:
        """The order id of one of the copies."""
        return f"order-{self.number}-{copy}"

    def fields(self, order_id: str) -> dict[str, Any]:
        """The value of its record; one that is spoiled cannot be read."""
        amount = str(self.amount_minor) if self.spoiled else self.amount_minor
        return {
            "order_id": order_id,
            "submitted_at": self.sent_ms,
            "kind": self.kind,
            "provider": self.provider,
            "merchant": self.merchant,
            "amount_minor": amount,
            "currency": self.currency,
        }


def misfortune(start_ms: int, fault: Fault, rng: Random, *, order: Order) -> Order:
    """The order as it fares while the fault lasts, itself where it is not concerned."""
    from_ms = start_ms + fault.start_s * 1000
    until_ms = from_ms + fault.seconds * 1000
    if not order.answers:
        return order
    if fault.cause == "system_failure":
        return _unanswered(fault, order, from_ms=from_ms, until_ms=until_ms)
    if not from_ms <= order.sent_ms < until_ms or rng.random() >= fault.strength:
        return order
    answer = order.answers[0]
    match fault.cause:
        case "network":
            return order._replace(answers=_on_the_way(order, answer, rng))
        case "permission":
            return order._replace(answers=_refused(answer, PERMISSION_CODES, fault, rng=rng))
        case "data_error" if fault.variant % 3 == 2:
            return order._replace(spoiled=True)
        case "data_error":
            return order._replace(answers=_refused(answer, DATA_CODES, fault, rng=rng))
        case "integration" if fault.variant % 5 == 4:
            return order._replace(answers=(Answer(answer.at_ms, "accepted", spoiled=True),))
        case "integration":
            mangled = Answer(answer.at_ms, answer.outcome, answer.code, fault.variant % 5)
            return order._replace(answers=(mangled,))
    return order


def _unanswered(fault: Fault, order: Order, *, from_ms: int, until_ms: int) -> Order:
    """Nothing comes back; with an odd variant what waited comes when the system is up again."""
    answer = order.answers[0]
    if not from_ms <= answer.at_ms < until_ms:
        return order
    if fault.variant % 2 == 0:
        return order._replace(answers=())
    back_ms = until_ms + (answer.at_ms - from_ms) // 10
    return order._replace(answers=(Answer(back_ms, answer.outcome, answer.code),))


def _on_the_way(order: Order, answer: Answer, rng: Random) -> tuple[Answer, ...]:
    chance = rng.random()
    if chance < 0.3:
        return ()
    if chance < 0.55:
        return (Answer(answer.at_ms + 1_000, "error", rng.choice(NETWORK_CODES)),)
    slower = int((answer.at_ms - order.sent_ms) * rng.uniform(6, 25))
    return (Answer(order.sent_ms + slower, answer.outcome, answer.code),)


def _refused(
    answer: Answer, codes: tuple[str, ...], fault: Fault, *, rng: Random
) -> tuple[Answer, ...]:
    """Rejected; or, with an odd variant, an interim error after which nothing comes."""
    code = codes[fault.variant // 2 % len(codes)] if rng.random() < 0.8 else rng.choice(codes)
    outcome = "error" if fault.variant % 2 else "rejected"
    return (Answer(answer.at_ms, outcome, code),)
