"""What is ours around Nevergrad: the choice of the optimizer, restarts, wide spaces."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from algorithms.search import create_search
from algorithms.search.optimizers.nevergrad import NevergradOptimizer
from algorithms.search.optimizers.portfolio import NevergradName, Pick, Situation, pick
from algorithms.search.shell.learning import LearningSearch
from algorithms.space.encoding import Cube
from events.spec.space import Parameter, ParameterType
from tests.algorithms.spaces import (
    DOUBLE,
    INT,
    MIXED,
    OPTIMIZERS,
    experiment,
    listed,
    of_each_family,
    outcome,
    ranged,
)

CATEGORICAL = (
    listed("a", ParameterType.CATEGORICAL, "xyz"),
    listed("b", ParameterType.CATEGORICAL, "uvw"),
)
ONE = (ranged("x", DOUBLE, 0, 1),)
RESTARTING = Pick(NevergradName.ONE_PLUS_ONE, restart_every=25)


@pytest.mark.parametrize(
    ("parameters", "budget", "parallel", "expected"),
    [
        (CATEGORICAL, 500, 10, Pick(NevergradName.PORTFOLIO_DISCRETE)),
        (CATEGORICAL, 20, 1, Pick(NevergradName.PORTFOLIO_DISCRETE)),
        (MIXED, 100, 2, Pick(NevergradName.CMA)),
        (MIXED, 99, 1, Pick(NevergradName.ONE_PLUS_ONE)),
        (ONE, 1000, 1, Pick(NevergradName.ONE_PLUS_ONE)),
        (MIXED, 100, 10, Pick(NevergradName.ONE_PLUS_ONE)),
        (MIXED, 101, 3, RESTARTING),
    ],
)
def test_auto_follows_the_measurements(
    parameters: tuple[Parameter, ...], budget: int, parallel: int, expected: Pick
) -> None:
    situation = Situation(Cube(parameters), budget, parallel)
    assert pick(NevergradName.AUTO, situation) == expected
    assert pick(NevergradName.PSO, situation) == Pick(NevergradName.PSO)
    assert pick(NevergradName.AUTO, replace(situation, objectives=2)) == Pick(
        NevergradName.ROTATED_TWO_POINTS_DE
    )


@pytest.mark.parametrize("optimizer", of_each_family(OPTIMIZERS))
def test_wide_spaces_and_long_runs_raise_no_warnings(optimizer: str) -> None:
    space = [ranged(f"p{index}", DOUBLE, 0, 1) for index in range(25)] + [ranged("k", INT, 1, 40)]
    search = create_search(
        experiment(space, "nevergrad", {"optimizer": optimizer}, trials=200, parallel=20), seed=3
    )
    for trial in range(1, 301):
        (assignment,) = search.ask(1)
        losses = [float(value) for value in assignment.values()]
        loss = None if trial % 11 == 0 else sum(losses) * 10 ** (trial % 5)
        search.tell(trial - (trial * 7) % 20, outcome(loss))


def searching(space: Sequence[Parameter], chosen: Pick, budget: int) -> LearningSearch:
    return LearningSearch(Cube(space), 1, NevergradOptimizer(Cube(space), 1, chosen, budget, 10))


def test_a_restart_goes_on_from_the_best_point() -> None:
    space = [ranged(name, DOUBLE, 0, 1) for name in "ab"]
    search = searching(space, RESTARTING, 200)
    search.adopt({"a": 0.95, "b": 0.05})
    search.tell(1, outcome(-1.0))
    for trial in range(2, 26):
        search.ask(1)
        search.tell(trial, outcome(1.0))
    slopes = [float(assignment["a"]) - float(assignment["b"]) for assignment in search.ask(40)]
    assert sum(slopes) / len(slopes) > 0.3


def test_results_of_trials_from_before_a_restart_are_learnt_from() -> None:
    space = [ranged(name, DOUBLE, 0, 1) for name in "ab"]
    search = searching(space, RESTARTING, 200)
    search.adopt({"a": 0.95, "b": 0.05})
    for trial in range(2, 42):
        search.ask(1)
        search.tell(trial, outcome(float(trial)))
    search.tell(1, outcome(-1.0))
    slopes = [float(assignment["a"]) - float(assignment["b"]) for assignment in search.ask(40)]
    assert sum(slopes) / len(slopes) > 0.3


def test_restarts_keep_the_step_size_from_collapsing() -> None:
    space = [ranged(name, DOUBLE, 0, 1) for name in "ab"]

    def spread(chosen: Pick) -> float:
        search = searching(space, chosen, 400)
        for trial in range(1, 91):
            search.ask(1)
            search.tell(trial, outcome(float(trial)))
        points = [float(assignment["a"]) for assignment in search.ask(10)]
        return max(points) - min(points)

    assert spread(Pick(NevergradName.ONE_PLUS_ONE)) < 1e-4
    assert spread(RESTARTING) > 1e-2
