"""A problem of the benchmark `quality`, and short functions to write down its parameters."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from events.spec.space import (
    Assignment,
    Distribution,
    FeasibleSpace,
    Parameter,
    ParameterType,
    Scalar,
)


class Kind(StrEnum):
    SYNTHETIC = "synthetic"
    MIXED = "mixed"
    CONDITIONAL = "conditional"
    MLP = "mlp"
    REGRESSION = "regression"
    NAS = "nas"
    TRAINING = "training"


class Half(StrEnum):
    """Settings are chosen on the tuning half only; bars are checked on the reporting half only."""

    TUNING = "tuning"
    REPORTING = "reporting"


@dataclass(frozen=True, slots=True)
class Function:
    """The function to be minimised; `true` is the mean of `observed` over all seeds."""

    parameters: tuple[Parameter, ...]
    true: Callable[[Assignment], float]
    observed: Callable[[Assignment, int], float]
    least: float | None = None
    """The least true loss, if the function knows it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A function with its scale: the best known true loss, and the median true loss of random
    points."""

    name: str
    kind: Kind
    half: Half
    function: Function
    best: float
    median: float

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.function.parameters

    def true(self, assignment: Assignment) -> float:
        return self.function.true(assignment)

    def observed(self, assignment: Assignment, seed: int) -> float:
        return self.function.observed(assignment, seed)

    def regret(self, loss: float) -> float:
        """0 for the best known true loss, 1 for the median of random points; at most 1.5."""
        return min(max((loss - self.best) / (self.median - self.best), 0.0), 1.5)


def exact(parameters: tuple[Parameter, ...], true: Callable[[Assignment], float]) -> Function:
    """A function whose observed loss is the true one."""
    return Function(parameters, true, lambda assignment, seed: true(assignment))


def noisy(
    parameters: tuple[Parameter, ...], true: Callable[[Assignment], float], deviation: float
) -> Function:
    """A function whose observed loss is the true one with normal noise."""
    return Function(
        parameters,
        true,
        lambda assignment, seed: true(assignment) + deviation * drawn(assignment, seed).gauss(0, 1),
    )


def drawn(assignment: Assignment, seed: int) -> Random:
    """Random numbers that are a function of the assignment and the seed."""
    return Random(f"{seed}/{sorted(assignment.items())}")


def double(name: str, low: float, high: float, *, log: bool = False) -> Parameter:
    return Parameter(
        name=name, parameterType=ParameterType.DOUBLE, feasibleSpace=_bounds(low, high, log)
    )


def integer(name: str, low: int, high: int, *, log: bool = False) -> Parameter:
    return Parameter(
        name=name, parameterType=ParameterType.INT, feasibleSpace=_bounds(low, high, log)
    )


def discrete(name: str, *values: Scalar) -> Parameter:
    return Parameter(
        name=name, parameterType=ParameterType.DISCRETE, feasibleSpace=FeasibleSpace(list=values)
    )


def categorical(name: str, *values: Scalar) -> Parameter:
    return Parameter(
        name=name, parameterType=ParameterType.CATEGORICAL, feasibleSpace=FeasibleSpace(list=values)
    )


def _bounds(low: float, high: float, log: bool) -> FeasibleSpace:
    distribution = Distribution.LOG_UNIFORM if log else Distribution.UNIFORM
    return FeasibleSpace(min=low, max=high, distribution=distribution)


def logarithmic(parameter: Parameter) -> bool:
    return parameter.space.distribution is Distribution.LOG_UNIFORM


def fraction(parameter: Parameter, value: Scalar) -> float:
    """Where a value lies between the parameter's first (0) and last (1), on its own scale."""
    if parameter.type in (ParameterType.DISCRETE, ParameterType.CATEGORICAL):
        return parameter.space.list.index(value) / (len(parameter.space.list) - 1)
    scale = math.log if logarithmic(parameter) else float
    low, high = scale(parameter.low), scale(parameter.high)
    return (scale(float(value)) - low) / (high - low)
