"""Trialstream's own searches as contenders: an algorithm's name, with settings after colons, as in
`nevergrad:optimizer=CMA`."""

import hashlib
from pathlib import Path

import algorithms
from algorithms.search import create_search, search_problems
from algorithms.search.outcome import Outcome
from benchmarks.outcome import CannotMeasureError
from benchmarks.quality.simulation import Task
from events.spec.algorithm import AlgorithmSpec, Setting
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Direction, Objective
from events.spec.space import Assignment


class Ours:
    """One of our searches as a contender."""

    def __init__(self, name: str, task: Task) -> None:
        self._search = create_search(spec(name, task), task.seed)

    def ask(self) -> Assignment | None:
        return next(iter(self._search.ask(1)), None)

    def tell(self, trial: int, loss: float) -> None:
        self._search.tell(trial, Outcome((loss,)))


def spec(name: str, task: Task) -> ExperimentSpec:
    """The experiment that a user would submit for this task."""
    algorithm, *settings = name.split(":")
    pairs = [setting.partition("=") for setting in settings]
    wanted = ExperimentSpec(
        parameters=task.parameters,
        objective=Objective(type=Direction.MINIMIZE, objectiveMetricName="loss"),
        algorithm=AlgorithmSpec(
            algorithm_name=algorithm,
            algorithm_settings=tuple(Setting(name=key, value=value) for key, _, value in pairs),
        ),
        parallel_trial_count=task.workers,
        max_trial_count=task.trials,
    )
    wrong = [str(problem) for problem in search_problems(wanted)]
    if wrong:
        raise CannotMeasureError(f"{name}: {'; '.join(wrong)}")
    return wanted


def digest() -> str:
    """A digest of all code in `algorithms/`: any change of it makes results stale."""
    folder = Path(algorithms.__file__).parent
    content = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        content.update(file.read_bytes())
    return content.hexdigest()[:10]
