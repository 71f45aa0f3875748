"""What is ours around cmaes: generations, known losses, restarts, what was known before."""

from typing import Any

import pytest

from algorithms.search import create_search
from algorithms.search.optimizers.cmaes import CmaEsOptimizer
from algorithms.search.shell.learning import LearningSearch
from algorithms.space.encoding import Cube
from events.spec.space import Assignment
from tests.algorithms.spaces import DOUBLE, INT, experiment, outcome, ranged

SQUARE = [ranged(name, DOUBLE, -5, 5) for name in "ab"]


def sphere(point: Assignment, at: float = 2.0) -> float:
    return sum((float(value) - at) ** 2 for value in point.values())


def run(
    search: LearningSearch | Any, trials: int, *, late: int = 0, at: float = 2.0
) -> list[float]:
    """The losses, each told `late` trials after its point was suggested."""
    losses: list[float] = []
    for trial in range(1, trials + 1):
        losses += [sphere(point, at) for point in search.ask(1)]
        if trial > late:
            search.tell(trial - late, outcome(losses[trial - late - 1]))
    return losses


@pytest.mark.parametrize("late", [0, 9])
def test_it_converges_also_with_results_that_come_late(late: int) -> None:
    search = create_search(experiment(SQUARE, "cmaes", trials=300, parallel=late + 1), seed=1)
    losses = run(search, 300, late=late)
    assert min(losses) < 1e-3
    assert sum(losses[-30:]) / 30 < 0.2


def test_a_small_space_does_not_stop_the_generations() -> None:
    """Points that it suggests again count with their known loss, so it gets to the best one."""
    space = [ranged(name, INT, 0, 12) for name in "ab"]
    losses = run(create_search(experiment(space, "cmaes"), seed=2), 60, at=11)
    assert min(losses) == 0


def test_a_point_suggested_again_counts_with_its_known_loss() -> None:
    evolution = CmaEsOptimizer(Cube(SQUARE), 1, 1, 1 / 6, "none")
    first = evolution.ask(1)
    evolution.tell(first, outcome(1.0))
    mean = evolution._strategy.mean.copy()
    for _ in range(evolution._strategy.population_size - 1):
        evolution.drop(first)
    assert (evolution._strategy.mean != mean).all()


@pytest.mark.parametrize(
    ("restarts", "sizes"), [("none", {6}), ("ipop", {6, 12, 24}), ("bipop", {6, 12, 24})]
)
def test_restarts_grow_the_population(restarts: str, sizes: set[int]) -> None:
    cube = Cube(SQUARE)
    evolution = CmaEsOptimizer(cube, 1, 1, 1 / 6, restarts)
    search, seen = LearningSearch(cube, 1, evolution), set()
    for trial in range(1, 1500):
        search.ask(1)
        search.tell(trial, outcome(1.0))
        seen.add(evolution._strategy.population_size)
    assert sizes <= seen
    assert (seen == {6}) == (restarts == "none")


def test_sigma_is_the_first_step() -> None:
    def spread(sigma: float) -> float:
        points = create_search(experiment(SQUARE, "cmaes", {"sigma": sigma}), seed=1).ask(40)
        return max(float(point["a"]) for point in points) - min(
            float(point["a"]) for point in points
        )

    assert spread(0.01) < 1 < 5 < spread(0.5)


def test_what_was_known_before_is_where_it_starts() -> None:
    search = create_search(experiment(SQUARE, "cmaes"), seed=1)
    for number in range(30):
        point = {"a": 3.0 + number / 20, "b": 4.5 - number / 20}
        search.learn(point, outcome(sphere(point, 4)))
    assert all(sphere(point, 4) < 8 for point in search.ask(10))
