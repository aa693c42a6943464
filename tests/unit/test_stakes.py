"""What is counted of an order in packed form is what its submission says."""

import pytest

from schemas.events import Submission
from streams.core.packing import pack_fresh
from streams.core.stakes import AMOUNT_COUNTED_MAX, counted, scope_of, stake_of


@pytest.mark.parametrize(
    "provider, merchant, kind, player",
    [
        ("pg", "shop", "card", "p-1"),
        (None, None, None, None),
        ("pgé", "straße", "card", None),
        ("pg", "shop", "card", "Zoë"),
        ("", "m", None, ""),
        ("x" * 64, "y" * 64, "z" * 64, "p" * 64),
    ],
)
@pytest.mark.parametrize("money", [(None, None), (-250, "SEK")])
def test_a_stake_is_when_how_much_and_of_which_scope(
    provider: str | None,
    merchant: str | None,
    kind: str | None,
    player: str | None,
    money: tuple[int | None, str | None],
) -> None:
    submission = Submission(
        "order-1", 1_767_225_600_000, None, None, kind, provider, merchant, player, *money
    )
    packed = pack_fresh(submission, 7, ("a-rule", 1_000, "info"), effect_ms=5)

    submitted_at, amount, key, currency = stake_of(packed)

    assert (submitted_at, amount, currency) == (1_767_225_600_000, money[0] or 0, money[1])
    assert scope_of(key) == (provider, merchant, kind)


@pytest.mark.parametrize("amount", [2**63 - 1, -(2**63)])
def test_an_absurd_amount_is_counted_as_the_largest_that_is(amount: int) -> None:
    submission = Submission("order-1", 1_767_225_600_000, amount_minor=amount, currency="EUR")
    packed = pack_fresh(submission, 7, ("a-rule", 1_000, "info"), effect_ms=5)

    assert abs(counted(amount)) == AMOUNT_COUNTED_MAX
    assert stake_of(packed)[1] == counted(amount)
