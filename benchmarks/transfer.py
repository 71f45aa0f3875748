"""What a warm start from an earlier experiment brings where the problem is the same, near, or
another one.

Synthetic problems, each in an earlier and a present form: 100 trials of the earlier one, then the
present one with and without them. Regret is the best value found above the least possible. Only the
search is measured; no process starts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from algorithms.search import DEFAULT, create_search
from algorithms.search.outcome import Outcome as Result
from benchmarks.outcome import Outcome, say
from events.spec.algorithm import AlgorithmSpec
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Direction, Objective
from events.spec.space import FeasibleSpace, Parameter, ParameterType, Scalar
from events.spec.warm_start import Row, WarmStart

SEEDS, QUICK_SEEDS, EARLIER_TRIALS = 21, 5, 100
PLANS = ((20, 3), (100, 1), (150, 10))
"""Trials, and how many at a time."""
FOUND = 1e-3
"""A regret below counts as this: the optimum is found."""
Function = Callable[[Sequence[float]], float]


@dataclass(frozen=True, slots=True)
class Problem:
    width: int
    earlier: Function
    present: Function
    least: float = 0.0


def bowl(lowest: float, level: float = 0.0) -> Function:
    """Six axes, the last ten times as steep as the first."""
    steep = 10.0 ** np.linspace(0, 1, 6)
    return lambda x: float((steep * (np.array(x) - lowest) ** 2).sum()) + level


def branin(shift: float) -> Function:
    def value(x: Sequence[float]) -> float:
        a, b = 15 * x[0] - 5 + shift, 15 * x[1] + shift
        curve = b - 5.1 / (4 * np.pi**2) * a * a + 5 / np.pi * a - 6
        return float(curve**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10)

    return value


def hartmann(shift: float) -> Function:
    """Hartmann's function of six variables, its lowest point near 0.2, 0.15, 0.48, 0.28, 0.31,
    0.66."""
    widths = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]])  # fmt: skip
    places = 1e-4 * np.array([[1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991], [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381]])  # fmt: skip
    heights = np.array([1, 1.2, 3, 3.2])
    return lambda x: float(
        -(heights * np.exp(-(widths * (np.array(x) + shift - places) ** 2).sum(1))).sum()
    )


PROBLEMS: Mapping[str, Problem] = {
    "same": Problem(6, bowl(0.7), bowl(0.7)),
    "near": Problem(6, bowl(0.6), bowl(0.7)),
    "near_lower": Problem(6, bowl(0.6, -1.0), bowl(0.7)),
    "far": Problem(6, bowl(0.3), bowl(0.7)),
    "branin": Problem(2, branin(0.0), branin(0.8), 0.397887),
    "hartmann": Problem(6, hartmann(0.0), hartmann(0.05), -3.32237),
}


def measure(home: Path, *, quick: bool) -> Outcome:
    figures: dict[str, float] = {}
    for trials, parallel in PLANS:
        for name, problem in PROBLEMS.items():
            cold, warm = regrets(problem, trials, parallel, QUICK_SEEDS if quick else SEEDS)
            say(
                f"{name}, {trials} trials, {parallel} at a time: regret {warm:.4f} warm, "
                f"{cold:.4f} cold"
            )
            figures[f"{name}_{trials}"] = max(warm, FOUND) / max(cold, FOUND)
    return Outcome(figures, "none", packages=("nevergrad", "scipy"))


def regrets(problem: Problem, trials: int, parallel: int, seeds: int) -> tuple[float, float]:
    """Medians over the seeds, without and with the earlier results."""
    cold: list[float] = []
    warm: list[float] = []
    for seed in range(seeds):
        earlier = played(problem.earlier, problem.width, EARLIER_TRIALS, 4, 1000 + seed)
        start = WarmStart(
            experiment="earlier", rows=tuple(sorted(earlier, key=lambda row: row.value))
        )
        for regret, known in ((cold, None), (warm, start)):
            rows = played(problem.present, problem.width, trials, parallel, seed, known)
            regret.append(min(row.value for row in rows) - problem.least)
    return median(cold), median(warm)


def played(
    function: Function,
    width: int,
    trials: int,
    parallel: int,
    seed: int,
    known: WarmStart | None = None,
) -> list[Row]:
    """An experiment's trials; the one that started first ends first."""
    search = create_search(spec(width, trials, parallel, known), seed)
    rows: list[Row] = []
    started = 0
    running: list[Mapping[str, Scalar]] = []
    while len(rows) < trials:
        while started < trials and len(running) < parallel:
            running += search.ask(1)
            started += 1
        point = running.pop(0)
        rows.append(
            Row(parameters=dict(point), value=function([float(value) for value in point.values()]))
        )
        search.tell(len(rows), Result((rows[-1].value,)))
    return rows


def spec(width: int, trials: int, parallel: int, known: WarmStart | None) -> ExperimentSpec:
    sides = FeasibleSpace(min=0, max=1)
    return ExperimentSpec(
        parameters=tuple(
            Parameter(name=f"x{index}", parameterType=ParameterType.DOUBLE, feasibleSpace=sides)
            for index in range(width)
        ),
        objective=Objective(type=Direction.MINIMIZE, objectiveMetricName="loss"),
        algorithm=AlgorithmSpec(algorithm_name=DEFAULT),
        max_trial_count=trials,
        parallel_trial_count=parallel,
        warm_start=known,
    )
