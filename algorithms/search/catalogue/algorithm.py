"""One algorithm of the catalogue: how it is made, its settings, what it lacks, what it needs."""

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
"""How many trials a search plans for where maxTrialCount is not given."""
NAME_PLACE = ("spec", "algorithm", "algorithmName")


def algorithm_of(spec: ExperimentSpec) -> str:
    """The name of the algorithm that `spec` asks for, or the default."""
    return spec.algorithm.algorithm_name if spec.algorithm else DEFAULT


class Seeded(AlgorithmSettings):
    """The settings that every search has."""

    random_state: int | None = Field(
        default=None, ge=0, description="seed that replaces the experiment's own"
    )


def no_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """The rules of an algorithm that has none."""
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
        """The problem of a spec that asks for `what` while the library is missing."""
        return Problem(
            NAME_PLACE, f"{what} needs {self.module}: pip install 'trialstream[{self.name}]'"
        )


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One line of the catalogue."""

    summary: str
    schema: type[Seeded]
    create: Callable[[ExperimentSpec, int], Search]
    """Makes the search of a spec without problems, from a seed."""
    lacks: frozenset[Feature] = frozenset()
    """The features of a spec that it cannot honour."""
    imports: tuple[str, ...] = ()
    """Slow modules that `create` imports; a process that forks may import them once for all
    searches."""
    exhaustive: bool = False
    """Does it suggest every value once, whatever its distribution?"""
    extra: Extra | None = None
    rules: Callable[[ExperimentSpec], Iterator[Problem]] = no_problems
    """Further problems of a spec whose settings are valid."""
