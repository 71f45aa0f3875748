"""What failures and missed constraints cost."""

import pytest

from algorithms.search.outcome import FAILED, Outcome
from algorithms.search.shell.penalties import LARGEST_LOSS, Penalties
from tests.algorithms.spaces import outcome


def test_failures_are_held_back_until_a_loss_is_known() -> None:
    penalties: Penalties[str] = Penalties()
    assert penalties.ready("a", FAILED) == []
    assert penalties.ready("b", FAILED) == []
    assert penalties.ready("c", outcome(5.0)) == [("c", (5.0,)), ("a", (5.5,)), ("b", (5.5,))]
    assert penalties.ready("d", outcome(-5.0)) == [("d", (-5.0,))]
    assert penalties.ready("e", FAILED) == [("e", (6.0,))]
    assert penalties.ready("f", outcome(4.0)) == [("f", (4.0,))]
    assert penalties.ready("g", FAILED) == [("g", (6.0,))]


@pytest.mark.parametrize("loss", [0.0, -3.0, 1e-9, 1e300, -1e300])
def test_a_failure_is_worse_than_any_single_loss(loss: float) -> None:
    penalties: Penalties[str] = Penalties()
    ((_, told),) = penalties.ready("a", outcome(loss))
    ((_, penalty),) = penalties.ready("b", FAILED)
    assert abs(told[0]) <= LARGEST_LOSS
    assert told < penalty < (5e20,)


def test_a_missed_constraint_costs_more_the_more_it_is_missed_but_less_than_a_failure() -> None:
    penalties: Penalties[str] = Penalties()
    penalties.ready("a", Outcome((1.0, 10.0)))
    penalties.ready("b", Outcome((2.0, 30.0)))
    told = [
        penalties.ready("c", Outcome((-9.0, -9.0), (0.0, amount)))[0][1]
        for amount in (1e-9, 1.0, 1e9)
    ]
    told.append(penalties.ready("d", FAILED)[0][1])
    assert told == sorted(told)
    assert all(one[0] > 2.0 and one[1] > 30.0 for one in told)
    assert penalties.worst == (2.0, 30.0)


def test_what_misses_before_anything_is_valid_costs_more_the_more_it_is_missed() -> None:
    penalties: Penalties[str] = Penalties()
    ((_, far),) = penalties.ready("a", Outcome((0.0, 5.0), (3.0,)))
    ((_, near),) = penalties.ready("b", Outcome((9.0, 5.0), (0.5,)))
    assert penalties.ready("c", FAILED) == []
    (_, valid), (name, failed) = penalties.ready("d", Outcome((1e300, 1.0), (0.0,)))
    assert name == "c"
    assert all(a < b < c for a, b, c in zip(valid, near, far, strict=True))
    assert all(a < b for a, b in zip(valid, failed, strict=True))
