"""What a search space must satisfy beyond the shape of its fields."""

import re
from collections.abc import Iterator

from events.spec.conditions import condition_problems
from events.spec.constraints import constraint_problems
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Path, Problem, repeated
from events.spec.space import Distribution, Parameter, ParameterType, number


def space_problems(spec: ExperimentSpec, *, katib: bool) -> Iterator[Problem]:
    """What is wrong with the parameters, their conditions and constraints; with `katib` also what
    Katib refuses."""
    where: Path = ("spec", "parameters")
    if spec.nas_config is not None:
        if spec.parameters:
            yield Problem(where, "give either parameters or nasConfig, not both")
        return
    if not spec.parameters:
        yield Problem(where, "is empty; list at least one parameter to tune")
    for name in repeated(parameter.name for parameter in spec.parameters):
        yield Problem(where, f"the name {name!r} is listed twice; names must differ")
    for index, parameter in enumerate(spec.parameters):
        yield from _parameter(parameter, (*where, index))
        if katib and parameter.condition:
            yield Problem(
                (*where, index, "condition"),
                "is an addition of Trialstream: use apiVersion trialstream.io/v1alpha1",
            )
    yield from condition_problems(spec.parameters)
    yield from constraint_problems(spec.parameters, spec.constraints)


def _parameter(parameter: Parameter, place: Path) -> Iterator[Problem]:
    if not parameter.name or re.search(r"[{}\s]", parameter.name):
        yield Problem(
            (*place, "name"), f"{parameter.name!r} must be non-empty, without braces or spaces"
        )
    space = (*place, "feasibleSpace")
    if parameter.type in (ParameterType.DOUBLE, ParameterType.INT):
        yield from _range(parameter, space)
    else:
        yield from _values(parameter, space)


def _range(parameter: Parameter, place: Path) -> Iterator[Problem]:
    space = parameter.space
    kind = parameter.type.value
    if space.list:
        yield Problem(
            (*place, "list"),
            f"cannot be used with type {kind}; use min and max, or type discrete or categorical",
        )
    if space.min is None or space.max is None:
        missing = " and ".join(
            name for name, value in (("min", space.min), ("max", space.max)) if value is None
        )
        yield Problem(
            (*place, "max" if space.max is None else "min"), f"type {kind} needs {missing}"
        )
        return
    if parameter.type is ParameterType.INT:
        for field, value in (("min", space.min), ("max", space.max), ("step", space.step)):
            if value is not None and value != int(value):
                yield Problem(
                    (*place, field),
                    f"{value} is not a whole number; use type double, or a whole number",
                )
    if space.min > space.max:
        yield Problem((*place, "min"), f"{space.min} is greater than max, {space.max}; swap them")
    if space.step is not None and space.step <= 0:
        yield Problem((*place, "step"), f"{space.step} must be greater than 0")
    if space.distribution in (Distribution.LOG_UNIFORM, Distribution.LOG_NORMAL) and space.min <= 0:
        yield Problem((*place, "min"), f"{space.distribution.value} needs min > 0, not {space.min}")


def _values(parameter: Parameter, place: Path) -> Iterator[Problem]:
    space = parameter.space
    kind = parameter.type.value
    for field in ("min", "max", "step"):
        if getattr(space, field) is not None:
            yield Problem(
                (*place, field), f"cannot be used with type {kind}; use list, or type double or int"
            )
    if not space.list:
        yield Problem((*place, "list"), f"type {kind} needs at least one value")
    for name in repeated(str(value) for value in space.list):
        yield Problem((*place, "list"), f"the value {name!r} is listed twice")
    if parameter.type is ParameterType.DISCRETE:
        for index, value in enumerate(space.list):
            try:
                number(value)
            except ValueError:
                yield Problem(
                    (*place, "list", index),
                    f"{value!r} is not a number; use type categorical for words",
                )
    if space.distribution is not Distribution.UNIFORM:
        yield Problem(
            (*place, "distribution"),
            f"{space.distribution.value} cannot be used with type {kind}; values are drawn "
            "uniformly",
        )
