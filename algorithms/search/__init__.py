"""What to try next: the port that every search keeps, and the registry of searches by name."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import Field

from algorithms.encoding import Cube
from algorithms.search.portfolio import Optimizer, Situation, pick
from algorithms.search.sampling import grid_search, random_search, sobol_search
from algorithms.settings import Entry, Settings, entry, setting_problems
from events.space import Assignment, ParameterType
from events.spec import ExperimentSpec
from events.validation import Problem

DEFAULT = "nevergrad"
DEFAULT_BUDGET = 200
"""Trials to plan for where maxTrialCount is not given."""
TO_COME = ("tpe", "multivariate-tpe", "bayesianoptimization", "cmaes", "hyperband", "pbt", "enas", "darts")
"""Katib's algorithms that Trialstream does not have yet."""


class Search(Protocol):
    """Ask and tell. The n-th suggestion ever returned (from 1) is trial n; `ask(n)` equals n times `ask(1)`.

    A search is a function of spec, seed and the order of its calls; it is not thread-safe.
    """

    def ask(self, count: int) -> list[Assignment]:
        """Up to `count` suggestions, none that was made before while others are left; fewer only if exhausted."""
        ...

    def tell(self, trial: int, loss: float | None) -> None:
        """The finite loss of `trial`, to be minimised, None if it failed; a second result of a trial is ignored."""
        ...

    def adopt(self, assignment: Assignment) -> None:
        """Count as the next suggestion one that another instance made."""
        ...

    @property
    def exhausted(self) -> bool:
        """Is nothing left to suggest, for good?"""
        ...


class Seeded(Settings):
    random_state: int | None = Field(default=None, ge=0, description="seed that replaces the experiment's own")


class NevergradSettings(Seeded):
    optimizer: Optimizer = Field(
        default=Optimizer.AUTO, description="Nevergrad's optimizer; auto picks by space and budget"
    )


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One line of the registry."""

    summary: str
    schema: type[Seeded]
    create: Callable[[ExperimentSpec, int], Search]


def _nevergrad(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.nevergrad import NevergradSearch  # its import takes a second

    cube = Cube(spec.parameters)
    budget = spec.max_trial_count or DEFAULT_BUDGET
    wanted = NevergradSettings.of(spec.algorithm).optimizer
    chosen = pick(wanted, Situation(cube, budget, spec.parallel))
    return NevergradSearch(cube, seed, chosen, budget, spec.parallel)


def _gp(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.gp.search import GaussianProcessSearch  # scipy takes a second

    return GaussianProcessSearch(Cube(spec.parameters), seed)


ALGORITHMS = {
    "nevergrad": Algorithm("learns from the results with one of Nevergrad's optimizers", NevergradSettings, _nevergrad),
    "random": Algorithm(
        "independent random points", Seeded, lambda spec, seed: random_search(Cube(spec.parameters), seed)
    ),
    "grid": Algorithm(
        "every combination once, in shuffled order", Seeded, lambda spec, seed: grid_search(Cube(spec.parameters), seed)
    ),
    "sobol": Algorithm(
        "scrambled Sobol points, more even than random",
        Seeded,
        lambda spec, seed: sobol_search(Cube(spec.parameters), seed),
    ),
    "gp": Algorithm("learns from the results with a Gaussian process", Seeded, _gp),
}


def create(spec: ExperimentSpec, seed: int) -> Search:
    """The search that a valid `spec` asks for; its setting `random_state` takes the place of `seed`."""
    algorithm = ALGORITHMS[algorithm_of(spec)]
    state = algorithm.schema.of(spec.algorithm).random_state
    return algorithm.create(spec, seed if state is None else state)


def problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Why the search cannot serve `spec`: unknown algorithm or settings, or a space that it cannot honour."""
    name = algorithm_of(spec)
    if name not in ALGORITHMS:
        known = ", ".join(ALGORITHMS)
        reason = "is still to come" if name in TO_COME else "is no known algorithm"
        yield Problem(("spec", "algorithm", "algorithmName"), f"{name!r} {reason}; there are: {known}")
    elif spec.algorithm is not None:
        place = ("spec", "algorithm", "algorithmSettings")
        yield from setting_problems(spec.algorithm, ALGORITHMS[name].schema, place)
    yield from _space_problems(spec, name)


def _space_problems(spec: ExperimentSpec, name: str) -> Iterator[Problem]:
    if spec.nas_config is not None:
        yield Problem(("spec", "nasConfig"), "architecture search is still to come; give parameters instead")
    if len(spec.objectives) > 1:
        yield Problem(("spec", "objectives"), "several objectives are still to come; give one")
    for index, parameter in enumerate(spec.parameters):
        place = ("spec", "parameters", index)
        if parameter.condition is not None:
            yield Problem((*place, "condition"), "conditional parameters are still to come; remove the condition")
        space = parameter.space
        endless = parameter.type is ParameterType.DOUBLE and space.step is None and space.min != space.max
        if name == "grid" and endless:
            yield Problem(
                (*place, "feasibleSpace", "step"), "is required by grid for type double; give one, or use type int"
            )


def catalogue() -> Sequence[Entry]:
    """All searches with their settings, for people."""
    return [entry(name, algorithm.summary, algorithm.schema) for name, algorithm in ALGORITHMS.items()]


def algorithm_of(spec: ExperimentSpec) -> str:
    """The name of the search that `spec` asks for, or gets without asking."""
    return spec.algorithm.algorithm_name if spec.algorithm else DEFAULT
