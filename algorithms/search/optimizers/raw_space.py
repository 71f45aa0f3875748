"""The search space as libraries see it: floats in [0, 1] and whole numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from algorithms.space.dimension import Dimension, dimension
from algorithms.space.encoding import MIDDLE, Cube
from events.spec.space import Assignment, Distribution, Parameter, ParameterType, Scalar

MOST_VALUES = 2**31
"""A parameter with more values is a float for libraries, which count in C integers."""
Raw = float | int
"""A value as the library has it: a float of a UNIT side, a whole number of the others."""


class Kind(Enum):
    UNIT = auto()
    """A float in [0, 1], uniformly distributed; the cube's decoding makes the parameter's
    distribution of it."""
    ORDER = auto()
    """A whole number from 0 to size - 1, equally likely, ordered."""
    CHOICE = auto()
    """A whole number from 0 to size - 1, equally likely, without an order."""


@dataclass(frozen=True, slots=True)
class RawSide:
    """One side of the cube: one parameter."""

    name: str
    kind: Kind
    size: int
    """How many values ORDER and CHOICE have; 0 for UNIT."""
    dimension: Dimension

    def place(self, raw: Raw) -> float:
        """The coordinate in [0, 1] of `raw`."""
        return float(raw) if self.kind is Kind.UNIT else (2 * int(raw) + 1) / (2 * self.size)

    def raw(self, place: float) -> Raw:
        """The inverse of `place`."""
        return place if self.kind is Kind.UNIT else min(int(place * self.size), self.size - 1)

    def rounded(self, raw: Raw) -> Raw:
        """`raw` as it is read back once its value was written down, as a float has more digits than
        a value.
        """
        if self.kind is not Kind.UNIT:
            return int(raw)
        place = self.dimension.encode(self.dimension.decode(float(raw)))
        return float(raw) if place is None else place


class RawSpace:
    """The sides of a cube in their order, without parameters that have one value only."""

    def __init__(self, cube: Cube) -> None:
        self._cube = cube
        every = [_side(parameter) for parameter in cube.parameters]
        self._every = [None if side.dimension.size == 1 else side for side in every]

    def __iter__(self) -> Iterator[RawSide]:
        return (side for side in self._every if side is not None)

    def __len__(self) -> int:
        return sum(side is not None for side in self._every)

    def assignment(self, raws: Mapping[str, Raw]) -> dict[str, Scalar]:
        """The assignment that `raws`, one for each side by name, stand for."""
        return self._cube.decode(
            [side.place(raws[side.name]) if side else MIDDLE for side in self._every]
        )

    def raws(self, assignment: Assignment) -> dict[str, Raw] | None:
        """The inverse of `assignment`, without absent parameters; None if `assignment` is not of
        this space.
        """
        point = self._cube.encode(assignment)
        if point is None:
            return None
        places = zip(self._every, point, strict=True)
        return {side.name: side.raw(u) for side, u in places if side and side.name in assignment}


def _side(parameter: Parameter) -> RawSide:
    one = dimension(parameter)
    if parameter.type is ParameterType.CATEGORICAL:
        return RawSide(parameter.name, Kind.CHOICE, one.size or 0, one)
    even = (
        parameter.type is ParameterType.DISCRETE
        or parameter.space.distribution is Distribution.UNIFORM
    )
    if even and one.size is not None and one.size <= MOST_VALUES:
        return RawSide(parameter.name, Kind.ORDER, one.size, one)
    return RawSide(parameter.name, Kind.UNIT, 0, one)
