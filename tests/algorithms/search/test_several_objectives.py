"""Searches with several objectives and outcome constraints: the same from the same history, and
better than chance."""

import random
from collections.abc import Iterator
from statistics import mean

import pytest

from algorithms.search import create_search
from algorithms.search.journal import Asked, Told, restore
from algorithms.search.optimizers.portfolio import OF_SEVERAL
from algorithms.search.outcome import FAILED, Outcome
from algorithms.search.port import Search
from controller.core.pareto import hypervolume
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment
from tests.algorithms.spaces import DOUBLE, GRIDDED, MIXED, experiment, ranged, several

SEVERAL = sorted(one.value for one in OF_SEVERAL)
NAMES = [*SEVERAL, "random", "grid", "sobol"]
CUBE = tuple(ranged(name, DOUBLE, 0, 1) for name in "abcde")
everyone = pytest.mark.parametrize("name", NAMES)


def spec_for(name: str, parameters: object = None) -> ExperimentSpec:
    """Two objectives over a space of all kinds."""
    fit = (
        several(name)
        if name in ("random", "grid", "sobol")
        else several("nevergrad", optimizer=name)
    )
    chosen = parameters or (GRIDDED if name == "grid" else MIXED)
    return fit.model_copy(update={"parameters": chosen, "max_trial_count": 100})


def outcome_of(assignment: Assignment, dice: random.Random) -> Outcome:
    """Two losses that pull apart; some trials fail, some miss a constraint."""
    numbers = [float(value) for value in assignment.values() if not isinstance(value, str)]
    if dice.random() < 0.1:
        return FAILED
    return Outcome((sum(numbers), -max(numbers)), (max(0.0, numbers[0] - 0.5), 0.0))


def run(search: Search, trials: int) -> Iterator[Asked | Told]:
    """Ask one by one; outcomes come out of order and late."""
    dice = random.Random(4)
    running: list[tuple[int, Assignment]] = []
    for number in range(1, trials + 1):
        for assignment in search.ask(1):
            yield Asked(assignment)
            running.append((number, assignment))
        while running and (len(running) > 4 or dice.random() < 0.4):
            trial, assignment = running.pop(dice.randrange(len(running)))
            told = Told(trial, outcome_of(assignment, dice))
            search.tell(told.trial, told.outcome)
            yield told


@everyone
def test_a_search_is_resumed_from_its_journal(name: str) -> None:
    spec = spec_for(name)
    search = create_search(spec, seed=3)
    journal = list(run(search, 120))
    assert restore(spec, 3, journal).ask(20) == search.ask(20)


def test_points_of_others_are_taken_in_beyond_the_population_and_alike_each_time() -> None:
    """Nevergrad names points at random, also under a seed. The later a known point, the better it
    is."""
    histories = []
    for _ in range(3):
        search = create_search(spec_for("DE", CUBE), seed=1)
        dice = random.Random(2)
        for number in range(100):
            place, excess = dice.random(), dice.random() * (1 - number / 100)
            known = dict.fromkeys("bcde", excess) | {"a": place}
            search.adopt(known)
            search.tell(number + 1, Outcome((place + excess, (1 - place) ** 2 + excess)))
        histories.append(search.ask(60))
    assert histories[0] == histories[1] == histories[2]
    assert mean(float(one["b"]) for one in histories[0]) < 0.35


def test_differential_evolution_finds_more_than_chance() -> None:
    """ZDT1 (Zitzler, Deb and Thiele 2000) in five dimensions, its hypervolume from (1.1, 6) after
    200 trials."""

    def losses(point: Assignment) -> tuple[float, float]:
        first, *others = (float(value) for value in point.values())
        g = 1 + 9 * mean(others)
        return first, g * (1 - (first / g) ** 0.5)

    def volume(name: str, seed: int) -> float:
        search, points = create_search(spec_for(name, CUBE), seed), []
        for trial in range(1, 201):
            (point,) = search.ask(1)
            points.append(losses(point))
            search.tell(trial, Outcome(points[-1]))
        return hypervolume(points, (1.1, 6.0))

    assert min(volume("auto", seed) for seed in range(3)) > max(
        volume("random", seed) for seed in range(3)
    )


def test_the_way_into_a_small_feasible_region_is_found() -> None:
    """A thousandth of the space keeps the constraint: by chance 200 trials hardly find it."""
    spec = experiment(
        [ranged(name, DOUBLE, 0, 1) for name in "abc"], "nevergrad", {}, trials=200, parallel=2
    )
    found = 0
    for seed in range(3):
        search = create_search(spec, seed)
        for trial in range(1, 201):
            (point,) = search.ask(1)
            missed = max(0.0, sum(float(value) for value in point.values()) - 0.18)
            found += missed == 0
            search.tell(trial, Outcome((-float(point["a"]),), (missed,)))
    assert found > 100
