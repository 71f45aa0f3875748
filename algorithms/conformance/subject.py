"""The subject of the suite: an algorithm with settings, its searches, simulated experiments."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from algorithms.search.catalogue.algorithm import Algorithm
from algorithms.search.checks import search_problems
from algorithms.search.outcome import FAILED, Outcome
from algorithms.search.port import Search
from algorithms.search.registry import create_search, find_algorithm
from events.errors import RefusalError
from events.spec.algorithm import AlgorithmSpec, Setting
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Direction, Objective
from events.spec.space import Assignment, Parameter, Scalar

LATE = 4
"""How many trials run at a time, at most."""


class BrokenPromiseError(RefusalError, AssertionError):
    """An algorithm broke a promise; the message says how."""


def require(held: bool, words: str) -> None:
    """Raises BrokenPromiseError with `words` unless `held`."""
    if not held:
        raise BrokenPromiseError(words)


@dataclass(frozen=True, slots=True)
class Subject:
    """An algorithm by name, with settings; `trials` is the length of its experiments, a dozen for
    slow ones.
    """

    name: str
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    trials: int = 30
    constraints: tuple[str, ...] = ()
    objectives: int = 1

    def spec(
        self, parameters: Sequence[Parameter], settings: Mapping[str, Scalar] | None = None
    ) -> ExperimentSpec:
        """An experiment of this algorithm over `parameters`."""
        values = {**self.settings, **(settings or {})}
        names = [f"loss{number}" for number in range(self.objectives)]
        objectives = tuple(
            Objective(type=Direction.MINIMIZE, objectiveMetricName=name) for name in names
        )
        listed = tuple(Setting(name=name, value=value) for name, value in values.items())
        return ExperimentSpec(
            parameters=tuple(parameters),
            constraints=self.constraints,
            objective=objectives[0] if self.objectives == 1 else None,
            objectives=() if self.objectives == 1 else objectives,
            algorithm=AlgorithmSpec(algorithm_name=self.name, algorithm_settings=listed),
            max_trial_count=self.trials,
            parallel_trial_count=LATE,
        )

    def serves(self, parameters: Sequence[Parameter]) -> bool:
        """Does the check before the start accept these parameters?"""
        return not list(search_problems(self.spec(parameters)))

    def search(self, parameters: Sequence[Parameter], seed: int) -> Search:
        return create_search(self.spec(parameters), seed)

    @property
    def algorithm(self) -> Algorithm:
        found = find_algorithm(self.name)
        assert isinstance(found, Algorithm), self.name
        return found


def loss_of(assignment: Assignment) -> float:
    """A loss that depends on every value."""
    return sum(
        len(str(value)) + (float(value) if not isinstance(value, str) else 0.5)
        for value in assignment.values()
    )


def outcome_of(loss: float | None, *, partial: bool = False, objectives: int = 1) -> Outcome:
    """The outcome of one loss; further objectives have its negative, so that they conflict. None is
    a failure.
    """
    return FAILED if loss is None else Outcome((loss, -loss, -loss)[:objectives], partial=partial)


def simulate(
    search: Search, trials: int, seed: int = 0, objectives: int = 1
) -> Iterator[Assignment]:
    """The suggestions of an experiment whose results come late and out of order, some failed, some
    stopped early.
    """
    order = random.Random(seed)
    running: list[tuple[int, Assignment]] = []
    for number in range(1, trials + 1):
        for assignment in search.ask(1):
            yield assignment
            running.append((number, assignment))
        while running and (len(running) > LATE or order.random() < 0.4):
            trial, assignment = running.pop(order.randrange(len(running)))
            luck = order.random()
            loss = None if luck < 0.2 else loss_of(assignment)
            search.tell(
                trial,
                outcome_of(loss, partial=luck > 0.9 and objectives == 1, objectives=objectives),
            )
