"""The benchmark `fronts` knows the true fronts, and what it tells falls as searches come nearer to
them."""

import numpy as np
import pytest

from algorithms.space.encoding import Cube
from benchmarks.fronts import PROBLEMS, numbers, reference_point, shortfall
from controller.core.pareto import hypervolume

GRAIN = 0.01
"""Of the front, its points being some way apart."""


@pytest.mark.parametrize("name", PROBLEMS)
def test_no_point_is_beyond_the_front(name: str) -> None:
    problem, random = PROBLEMS[name], np.random.default_rng(1)
    cube, reference = Cube(problem.parameters), reference_point(problem)
    drawn = random.random((300, cube.width))
    drawn[::2, 2 if name == "dtlz2" else 1 :] *= 0.1  # near the front, of the first three at least
    losses = [problem.losses(numbers(problem, cube.decode(point.tolist()))) for point in drawn]
    whole = hypervolume(problem.front, reference)
    assert 0 < hypervolume(losses, reference) < whole
    assert hypervolume([*problem.front, *losses], reference) == pytest.approx(whole, rel=GRAIN)


@pytest.mark.parametrize("workers", [1, pytest.param(10, marks=pytest.mark.long)])
def test_a_model_of_the_objectives_misses_less_than_random_points(workers: int) -> None:
    random, gp = (shortfall(name, PROBLEMS["zdt1"], workers, 0) for name in ("random", "gp"))
    assert 0 < gp < random / 2
    assert random < 1
