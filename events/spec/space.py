"""The search space: parameters, their feasible values, and the assignments drawn from them."""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from events.model import (
    LARGEST_INTEGER,
    LEAST_INTEGER,
    LONGEST_TEXT,
    Many,
    MappingKey,
    SpecPart,
    Text,
)
from events.spec.tree import integer_problem


def _within_64_bits(value: Any) -> Any:
    """Refuse a larger integer here, or it would be taken for a float."""
    if isinstance(value, int) and (wrong := integer_problem(value)):
        raise ValueError(wrong)
    return value


Integer = Annotated[int, Field(ge=LEAST_INTEGER, le=LARGEST_INTEGER)]
Scalar = Annotated[bool | Integer | float | Text, BeforeValidator(_within_64_bits)]
Assignment = Annotated[Mapping[MappingKey, Scalar], Many]
"""Parameter name → value. A parameter whose condition does not hold is absent."""


def number(value: Any) -> int | float:
    """Read a finite number, written plainly or (as Katib does) as a string."""
    if isinstance(value, str):
        text = value.strip()
        try:
            value = int(text)
        except ValueError:
            try:
                value = float(text)
            except ValueError:
                raise ValueError(f"{text!r} is not a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a number is needed, not {value!r}")
    try:
        if math.isfinite(value):
            return value
    except OverflowError:
        raise ValueError("a number of at most 308 digits is needed") from None
    raise ValueError(f"{value!r} is not finite")


def _bounded_number(value: Any) -> int | float:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise ValueError("a number is needed, not so long a text")
    found: int | float = _within_64_bits(number(value))
    return found


Number = Annotated[
    int | float,
    PlainValidator(_bounded_number),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "maxLength": LONGEST_TEXT}]}),
]


class ParameterType(StrEnum):
    DOUBLE = "double"
    INT = "int"
    DISCRETE = "discrete"
    CATEGORICAL = "categorical"


class Distribution(StrEnum):
    UNIFORM = "uniform"
    LOG_UNIFORM = "logUniform"
    NORMAL = "normal"
    LOG_NORMAL = "logNormal"


class FeasibleSpace(SpecPart):
    """Bounds for `double` and `int`, a list for `discrete` and `categorical`.

    `normal` and `logNormal` have mean (min+max)/2 and deviation (max-min)/6 (of the logarithms for
    `logNormal`), as in Katib, but are cut off at the bounds.
    """

    min: Number | None = None
    max: Number | None = None
    step: Number | None = None
    list: Annotated[tuple[Scalar, ...], Many] = ()
    distribution: Distribution = Distribution.UNIFORM


class Condition(SpecPart):
    """The parameter exists only where another one has a value in `in`, or equal to `equals`, or
    within `range`."""

    parameter: Text
    in_: Annotated[tuple[Scalar, ...], Many] | None = Field(default=None, alias="in")
    equals: Scalar | None = None
    range: tuple[float, float] | None = None


class Parameter(SpecPart):
    """One dimension of the search space."""

    name: Text
    type: ParameterType = Field(alias="parameterType")
    space: FeasibleSpace = Field(alias="feasibleSpace", default=FeasibleSpace())
    condition: Condition | None = None

    @property
    def low(self) -> float:
        """The lower bound of a `double` or `int`; validation has seen that there is one."""
        assert self.space.min is not None
        return self.space.min

    @property
    def high(self) -> float:
        assert self.space.max is not None
        return self.space.max
