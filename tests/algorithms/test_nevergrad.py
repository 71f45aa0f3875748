"""What is ours around Nevergrad: the choice of the optimizer, penalties for failures, restarts, wide spaces."""

import pytest

from algorithms.encoding import Cube
from algorithms.search import create
from algorithms.search.nevergrad import LARGEST, Losses, NevergradSearch
from algorithms.search.portfolio import Optimizer, Pick, Situation, pick
from events.space import Parameter, ParameterType
from tests.algorithms.spaces import DOUBLE, INT, MIXED, experiment, listed, ranged

CATEGORICAL = (listed("a", ParameterType.CATEGORICAL, "xyz"), listed("b", ParameterType.CATEGORICAL, "uvw"))
ONE = (ranged("x", DOUBLE, 0, 1),)
RESTARTING = Pick(Optimizer.ONE_PLUS_ONE, restart_every=25)


@pytest.mark.parametrize(
    ("parameters", "budget", "parallel", "expected"),
    [
        (CATEGORICAL, 500, 10, Pick(Optimizer.PORTFOLIO_DISCRETE)),
        (CATEGORICAL, 20, 1, Pick(Optimizer.PORTFOLIO_DISCRETE)),
        (MIXED, 100, 2, Pick(Optimizer.CMA)),
        (MIXED, 99, 1, Pick(Optimizer.ONE_PLUS_ONE)),
        (ONE, 1000, 1, Pick(Optimizer.ONE_PLUS_ONE)),
        (MIXED, 100, 10, Pick(Optimizer.ONE_PLUS_ONE)),
        (MIXED, 101, 3, RESTARTING),
    ],
)
def test_auto_follows_the_measurements(
    parameters: tuple[Parameter, ...], budget: int, parallel: int, expected: Pick
) -> None:
    situation = Situation(Cube(parameters), budget, parallel)
    assert pick(Optimizer.AUTO, situation) == expected
    assert pick(Optimizer.PSO, situation) == Pick(Optimizer.PSO)


def test_failures_are_held_back_until_a_loss_is_known() -> None:
    losses = Losses()
    assert losses.ready("a", None) == []
    assert losses.ready("b", None) == []
    assert losses.ready("c", 5.0) == [("c", 5.0), ("a", 5.5), ("b", 5.5)]
    assert losses.ready("d", -5.0) == [("d", -5.0)]
    assert losses.ready("e", None) == [("e", 6.0)]
    assert losses.ready("f", 4.0) == [("f", 4.0)]
    assert losses.ready("g", None) == [("g", 6.0)]


@pytest.mark.parametrize("loss", [0.0, -3.0, 1e-9, 1e300, -1e300])
def test_a_failure_is_worse_than_any_single_loss(loss: float) -> None:
    losses = Losses()
    ((_, told),) = losses.ready("a", loss)
    ((_, penalty),) = losses.ready("b", None)
    assert abs(told) <= LARGEST
    assert told < penalty < 5e20


@pytest.mark.parametrize("optimizer", [optimizer.value for optimizer in Optimizer])
def test_wide_spaces_and_long_runs_raise_no_warnings(optimizer: str) -> None:
    space = [ranged(f"p{index}", DOUBLE, 0, 1) for index in range(25)] + [ranged("k", INT, 1, 40)]
    search = create(experiment(space, "nevergrad", {"optimizer": optimizer}, trials=200, parallel=20), seed=3)
    for trial in range(1, 301):
        (assignment,) = search.ask(1)
        losses = [float(value) for value in assignment.values()]
        search.tell(trial - (trial * 7) % 20, None if trial % 11 == 0 else sum(losses) * 10 ** (trial % 5))


def test_a_restart_goes_on_from_the_best_point() -> None:
    space = [ranged(name, DOUBLE, 0, 1) for name in "ab"]
    search = NevergradSearch(Cube(space), 1, RESTARTING, 200, 10)
    search.adopt({"a": 0.95, "b": 0.05})
    search.tell(1, -1.0)
    for trial in range(2, 26):
        search.ask(1)
        search.tell(trial, 1.0)
    slopes = [float(assignment["a"]) - float(assignment["b"]) for assignment in search.ask(40)]
    assert sum(slopes) / len(slopes) > 0.3


def test_results_of_trials_from_before_a_restart_are_learnt_from() -> None:
    space = [ranged(name, DOUBLE, 0, 1) for name in "ab"]
    search = NevergradSearch(Cube(space), 1, RESTARTING, 200, 10)
    search.adopt({"a": 0.95, "b": 0.05})
    for trial in range(2, 42):
        search.ask(1)
        search.tell(trial, float(trial))
    search.tell(1, -1.0)
    slopes = [float(assignment["a"]) - float(assignment["b"]) for assignment in search.ask(40)]
    assert sum(slopes) / len(slopes) > 0.3


def test_restarts_keep_the_step_size_from_collapsing() -> None:
    space = [ranged(name, DOUBLE, 0, 1) for name in "ab"]

    def spread(chosen: Pick) -> float:
        search = NevergradSearch(Cube(space), 1, chosen, 400, 10)
        for trial in range(1, 91):
            search.ask(1)
            search.tell(trial, float(trial))
        points = [float(assignment["a"]) for assignment in search.ask(10)]
        return max(points) - min(points)

    assert spread(Pick(Optimizer.ONE_PLUS_ONE)) < 1e-4
    assert spread(RESTARTING) > 1e-2
