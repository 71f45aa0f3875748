"""Features of a spec that not every search can honour."""

from collections.abc import Iterator
from enum import StrEnum

from events.spec.experiment import ExperimentSpec
from events.spec.problem import Path
from events.spec.space import Parameter, ParameterType


class Feature(StrEnum):
    """A feature of a spec; the value completes the refusal "grid cannot honour …"."""

    ENDLESS = "a double without a step"
    CATEGORICAL = "categorical parameters"
    ONE_PARAMETER = "a single parameter"
    CONDITIONS = "conditional parameters"
    CONSTRAINTS = "constraints between parameters"
    WARM_START = "a warm start, as it does not learn from results"
    SEVERAL_OBJECTIVES = "several objectives"


REMEDIES = {
    Feature.ENDLESS: "give a step, or use type int",
    Feature.CATEGORICAL: "give numbers, as type discrete",
    Feature.ONE_PARAMETER: "give a second parameter",
    Feature.CONDITIONS: "remove the condition",
    Feature.CONSTRAINTS: "remove them",
    Feature.WARM_START: "remove warmStart",
    Feature.SEVERAL_OBJECTIVES: "keep one and make the others outcomeConstraints",
}
"""For each feature, what a user can do without it, as a refusal says it."""


def requested_features(spec: ExperimentSpec) -> Iterator[tuple[Feature, Path]]:
    """The features that `spec` asks for, each with its place in the document."""
    for index, parameter in enumerate(spec.parameters):
        place = ("spec", "parameters", index)
        if _endless(parameter):
            yield Feature.ENDLESS, (*place, "feasibleSpace", "step")
        if parameter.type is ParameterType.CATEGORICAL:
            yield Feature.CATEGORICAL, (*place, "parameterType")
        if parameter.condition is not None:
            yield Feature.CONDITIONS, (*place, "condition")
    if spec.constraints:
        yield Feature.CONSTRAINTS, ("spec", "constraints")
    if spec.warm_start is not None:
        yield Feature.WARM_START, ("spec", "warmStart")
    if spec.multi_objective:
        yield Feature.SEVERAL_OBJECTIVES, ("spec", "objectives")
    if len(spec.parameters) == 1:
        yield Feature.ONE_PARAMETER, ("spec", "parameters")


def _endless(parameter: Parameter) -> bool:
    space = parameter.space
    return parameter.type is ParameterType.DOUBLE and space.step is None and space.min != space.max
