"""What the registry knows of an algorithm: how to make it, its settings, what it lacks, what has to be installed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from pydantic import Field

from algorithms.search.features import Feature
from algorithms.search.port import Search
from algorithms.settings import AlgorithmSettings
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem

DEFAULT = "auto"
DEFAULT_BUDGET = 200
"""Trials to plan for where maxTrialCount is not given."""
NAME_PLACE = ("spec", "algorithm", "algorithmName")


def algorithm_of(spec: ExperimentSpec) -> str:
    """The name of the search that `spec` asks for, or gets without asking."""
    return spec.algorithm.algorithm_name if spec.algorithm else DEFAULT


class Seeded(AlgorithmSettings):
    random_state: int | None = Field(default=None, ge=0, description="seed that replaces the experiment's own")


def no_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """An algorithm without rules of its own."""
    yield from ()


@dataclass(frozen=True, slots=True)
class Extra:
    """A library that is not part of the default install."""

    name: str
    """As in `pip install 'trialstream[name]'`."""
    module: str

    @property
    def missing(self) -> bool:
        return find_spec(self.module) is None

    def problem(self, what: str) -> Problem:
        """Of `what` one asks for while this is missing."""
        return Problem(NAME_PLACE, f"{what} needs {self.module}: pip install 'trialstream[{self.name}]'")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One line of the registry."""

    summary: str
    schema: type[Seeded]
    create: Callable[[ExperimentSpec, int], Search]
    """Of a spec without problems, and a seed."""
    lacks: frozenset[Feature] = frozenset()
    imports: tuple[str, ...] = ()
    """Modules that `create` imports and that take long: whoever knows beforehand may import them once for many."""
    exhaustive: bool = False
    """Does it take every value once, however likely it is?"""
    extra: Extra | None = None
    rules: Callable[[ExperimentSpec], Iterator[Problem]] = no_problems
    """What else it demands of a spec whose settings are right."""
