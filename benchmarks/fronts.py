"""How near searches of several objectives come to the true front: the share of its hypervolume that
they miss.

ZDT1 to 3 with six parameters (Zitzler, Deb and Thiele 2000), DTLZ2 with three objectives and five
parameters (Deb et al. 2005), and ZDT1 with whole numbers and choices in it. The reference point is
what a tenth of random points are worse than, in each objective. Only the search is measured; no
process starts.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean

import numpy as np

from algorithms.search import create_search
from algorithms.search.outcome import Outcome as Result
from algorithms.space.encoding import Cube
from benchmarks.bars import FRONT_CONTENDERS
from benchmarks.outcome import Outcome, say
from controller.core.pareto import hypervolume
from events.spec.algorithm import AlgorithmSpec
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Direction, Objective
from events.spec.space import Assignment, FeasibleSpace, Parameter, ParameterType

SEEDS, QUICK_SEEDS = 5, 1
TRIALS = 100
WORKERS = (1, 10)
RANDOM = 2000
"""Points from which the reference is told."""
Losses = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    parameters: tuple[Parameter, ...]
    losses: Callable[[Sequence[float]], Losses]
    """Of the values of all parameters as numbers in [0, 1]."""
    front: tuple[Losses, ...]
    """Points all over the true front."""


def zdt(shape: Callable[[float, float], float], x: Sequence[float]) -> Losses:
    g = 1 + 9 * mean(x[1:])
    return x[0], g * shape(x[0], g)


def convex(f: float, g: float) -> float:
    return 1 - math.sqrt(f / g)


def concave(f: float, g: float) -> float:
    return 1 - (f / g) ** 2


def broken(f: float, g: float) -> float:
    return 1 - math.sqrt(f / g) - f / g * math.sin(10 * math.pi * f)


def sphere(x: Sequence[float]) -> Losses:
    """DTLZ2."""
    r = 1 + sum((u - 0.5) ** 2 for u in x[2:])
    a, b = x[0] * math.pi / 2, x[1] * math.pi / 2
    return r * math.cos(a) * math.cos(b), r * math.cos(a) * math.sin(b), r * math.sin(a)


def doubles(count: int) -> tuple[Parameter, ...]:
    sides = FeasibleSpace(min=0, max=1)
    return tuple(
        Parameter(name=f"x{i}", parameterType=ParameterType.DOUBLE, feasibleSpace=sides)
        for i in range(count)
    )


def mixed() -> tuple[Parameter, ...]:
    whole, words = FeasibleSpace(min=0, max=20), FeasibleSpace(list=("0", "0.3", "0.6", "1"))
    return (
        *doubles(3),
        Parameter(name="w0", parameterType=ParameterType.INT, feasibleSpace=whole),
        Parameter(name="c0", parameterType=ParameterType.CATEGORICAL, feasibleSpace=words),
        Parameter(name="c1", parameterType=ParameterType.CATEGORICAL, feasibleSpace=words),
    )


LINE = [i / 200 for i in range(201)]


def _zdt(shape: Callable[[float, float], float], parameters: tuple[Parameter, ...]) -> Problem:
    front = tuple((f, shape(f, 1.0)) for f in LINE)
    return Problem(parameters, lambda x: zdt(shape, x), front)


PROBLEMS: Mapping[str, Problem] = {
    "zdt1": _zdt(convex, doubles(6)),
    "zdt2": _zdt(concave, doubles(6)),
    "zdt3": _zdt(broken, doubles(6)),
    "dtlz2": Problem(
        doubles(5),
        sphere,
        tuple(sphere([a, b, 0.5, 0.5, 0.5]) for a, b in product(LINE[::10], repeat=2)),
    ),
    "mixed": _zdt(convex, mixed()),
}


def measure(home: Path, *, quick: bool) -> Outcome:
    figures = {}
    for workers in WORKERS:
        for name in FRONT_CONTENDERS:
            missed = []
            for problem in PROBLEMS.values():
                missed += [
                    shortfall(name, problem, workers, seed)
                    for seed in range(QUICK_SEEDS if quick else SEEDS)
                ]
            figures[f"{name.replace('.', '_')}_w{workers}"] = mean(missed)
            say(f"{name}, {workers} at a time: {mean(missed):.3f} of the hypervolume is missed")
    return Outcome(figures, "none", packages=("nevergrad", "optuna"))


def shortfall(name: str, problem: Problem, workers: int, seed: int) -> float:
    reference = reference_point(problem)
    search = create_search(_spec(name, problem, workers), seed)
    running: list[Assignment] = []
    found: list[Losses] = []
    asked = 0
    while len(found) < TRIALS:
        while asked < TRIALS and len(running) < workers:
            running += search.ask(1)
            asked += 1
        found.append(problem.losses(numbers(problem, running.pop(0))))
        search.tell(len(found), Result(found[-1]))
    return 1 - hypervolume(found, reference) / hypervolume(problem.front, reference)


def reference_point(problem: Problem) -> Losses:
    random, cube = np.random.default_rng(0), Cube(problem.parameters)
    points = [
        problem.losses(numbers(problem, cube.decode(random.random(cube.width).tolist())))
        for _ in range(RANDOM)
    ]
    return tuple(np.quantile(points, 0.9, axis=0).tolist())


def numbers(problem: Problem, assignment: Assignment) -> list[float]:
    scale = {ParameterType.INT: 20.0}
    return [float(assignment[one.name]) / scale.get(one.type, 1.0) for one in problem.parameters]


def _spec(name: str, problem: Problem, workers: int) -> ExperimentSpec:
    return ExperimentSpec(
        parameters=problem.parameters,
        objectives=tuple(
            Objective(type=Direction.MINIMIZE, objectiveMetricName=f"f{i}")
            for i in range(len(problem.front[0]))
        ),
        algorithm=AlgorithmSpec(algorithm_name=name),
        max_trial_count=TRIALS,
        parallel_trial_count=workers,
    )
