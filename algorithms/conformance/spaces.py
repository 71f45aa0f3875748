"""Search spaces for the suite, and what is feasible in them, without the code under test."""

import random
from collections.abc import Sequence

from events.spec.space import (
    Assignment,
    Distribution,
    FeasibleSpace,
    Parameter,
    ParameterType,
    Scalar,
)

DOUBLE, INT = ParameterType.DOUBLE, ParameterType.INT
DISCRETE, CATEGORICAL = ParameterType.DISCRETE, ParameterType.CATEGORICAL
OF_POSITIVE = (Distribution.LOG_UNIFORM, Distribution.LOG_NORMAL)


def ranged(
    name: str,
    kind: ParameterType,
    low: float,
    high: float,
    step: float | None = None,
    distribution: Distribution = Distribution.UNIFORM,
) -> Parameter:
    """A double or an int parameter."""
    space = FeasibleSpace(min=low, max=high, step=step, distribution=distribution)
    return Parameter(name=name, parameterType=kind, feasibleSpace=space)


def listed(name: str, kind: ParameterType, values: Sequence[Scalar]) -> Parameter:
    """A discrete or categorical parameter."""
    return Parameter(name=name, parameterType=kind, feasibleSpace=FeasibleSpace(list=tuple(values)))


GRIDDED = (
    ranged("momentum", DOUBLE, 0.1, 0.9, 0.1),
    ranged("layers", INT, 1, 5, distribution=Distribution.NORMAL),
    listed("batch", DISCRETE, ["32", "8", "128"]),
    ranged("width", INT, 8, 512, None, Distribution.LOG_UNIFORM),
)
NUMERIC = (ranged("lr", DOUBLE, 1e-4, 1.0, distribution=Distribution.LOG_UNIFORM), *GRIDDED)
MIXED = (*NUMERIC, listed("optimizer", CATEGORICAL, ["sgd", "adam", True]))
SMALL = (
    ranged("width", INT, 1, 7, 3, Distribution.LOG_UNIFORM),
    ranged("rate", DOUBLE, 0.1, 0.3, 0.1, Distribution.LOG_NORMAL),
    listed("kind", DISCRETE, ["1", "2"]),
)
"""3 · 3 · 2 = 18 points."""
WIDE = tuple(ranged(f"x{number}", INT if number % 3 else DOUBLE, 0, 100) for number in range(300))
LONG = (
    listed("word", CATEGORICAL, [f"word {number}" for number in range(1000)]),
    listed("other", CATEGORICAL, list(range(1000))),
    ranged("width", INT, 1, 1000),
    ranged("height", INT, 1, 1000),
)
POINT = (ranged("a", INT, 3, 3), ranged("b", DOUBLE, 0.5, 0.5))


def random_space(order: random.Random) -> list[Parameter]:
    """One to four parameters of any kind, some with extreme bounds."""
    return [_parameter(order, f"p{index}") for index in range(order.randint(1, 4))]


def _parameter(order: random.Random, name: str) -> Parameter:
    kind = order.choice(list(ParameterType))
    if kind is DISCRETE:
        return listed(
            name,
            kind,
            sorted({str(order.randint(-200, 200) / 4) for _ in range(order.randint(1, 6))}),
        )
    if kind is CATEGORICAL:
        words: list[Scalar] = ["", "a", "ä b", 7, 0.5, True, "nan", "${x}"]
        return listed(name, kind, order.sample(words, order.randint(1, len(words))))
    distribution = order.choice(list(Distribution))
    least = 1 if distribution in OF_POSITIVE else -1000
    if kind is INT:
        low = order.randint(least, 1000)
        high = low + order.choice([0, 1, 5, 1000, 2**40])
        return ranged(
            name, kind, low, high, order.choice([None, None, order.randint(1, 300)]), distribution
        )
    bounds = sorted(order.randint(least, 100_000) / 1000 for _ in range(2))
    return ranged(
        name,
        kind,
        bounds[0],
        bounds[1],
        order.choice([None, None, order.randint(1, 50_000) / 1000]),
        distribution,
    )


def feasible(parameter: Parameter, value: Scalar) -> bool:
    """Is `value` what the parameter allows, and of the right Python type?"""
    space = parameter.space
    if parameter.type in (DISCRETE, CATEGORICAL):
        return any(type(value) is type(known) and value == known for known in space.list)
    if type(value) is not (int if parameter.type is INT else float):
        return False
    step = 1 if parameter.type is INT and space.step is None else space.step
    steps = 0.0 if step is None or isinstance(value, str) else (value - parameter.low) / step
    return (
        isinstance(value, int | float)
        and parameter.low <= value <= parameter.high
        and abs(steps - round(steps)) < 1e-6
    )


def all_feasible(parameters: Sequence[Parameter], assignment: Assignment) -> bool:
    """Has each parameter that exists a feasible value, and is there nothing else?"""
    here = [one for one in parameters if _exists(one, assignment)]
    return assignment.keys() == {one.name for one in here} and all(
        feasible(one, assignment[one.name]) for one in here
    )


def _exists(parameter: Parameter, assignment: Assignment) -> bool:
    """Does the parameter exist? Only conditions with a range are known here."""
    condition = parameter.condition
    if condition is None or condition.range is None:
        return True
    low, high = condition.range
    return (
        condition.parameter in assignment and low <= float(assignment[condition.parameter]) <= high
    )
