"""The search space in the terms that libraries share: floats in [0, 1], ordered and unordered whole numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from algorithms.space.dimension import Dimension, dimension
from algorithms.space.encoding import MIDDLE, Cube
from events.spec.space import Assignment, Distribution, Parameter, ParameterType, Scalar

MOST_VALUES = 2**31
"""What has more values is a float: libraries count in C."""
Raw = float | int
"""A value as the library has it."""


class Kind(Enum):
    UNIT = auto()
    """A float in [0, 1], as likely everywhere: the cube's decoding makes the distribution, exactly."""
    ORDER = auto()
    """One of 0 … size-1, equally likely, in their order."""
    CHOICE = auto()
    """One of 0 … size-1, equally likely, none nearer to another."""


@dataclass(frozen=True, slots=True)
class RawSide:
    """One side of the cube."""

    name: str
    kind: Kind
    size: int
    """Of ORDER and CHOICE; else 0."""
    dimension: Dimension

    def place(self, raw: Raw) -> float:
        """Where `raw` is on the side, in [0, 1]."""
        return float(raw) if self.kind is Kind.UNIT else (2 * int(raw) + 1) / (2 * self.size)

    def raw(self, place: float) -> Raw:
        """The inverse of `place`."""
        return place if self.kind is Kind.UNIT else min(int(place * self.size), self.size - 1)

    def rounded(self, raw: Raw) -> Raw:
        """What `raw` is known by once its value has been written down: a float has more digits than a value."""
        if self.kind is not Kind.UNIT:
            return int(raw)
        place = self.dimension.encode(self.dimension.decode(float(raw)))
        return float(raw) if place is None else place


class RawSpace:
    """The sides of a cube, those of several values, in their order."""

    def __init__(self, cube: Cube) -> None:
        self._cube = cube
        every = [_side(parameter) for parameter in cube.parameters]
        self._every = [None if side.dimension.size == 1 else side for side in every]

    def __iter__(self) -> Iterator[RawSide]:
        return (side for side in self._every if side is not None)

    def __len__(self) -> int:
        return sum(side is not None for side in self._every)

    def assignment(self, raws: Mapping[str, Raw]) -> dict[str, Scalar]:
        """What `raws`, one for each side, stand for."""
        return self._cube.decode([side.place(raws[side.name]) if side else MIDDLE for side in self._every])

    def raws(self, assignment: Assignment) -> dict[str, Raw] | None:
        """The inverse, of the parameters that there are; None if `assignment` is not of this space."""
        point = self._cube.encode(assignment)
        if point is None:
            return None
        places = zip(self._every, point, strict=True)
        return {side.name: side.raw(u) for side, u in places if side and side.name in assignment}


def _side(parameter: Parameter) -> RawSide:
    one = dimension(parameter)
    if parameter.type is ParameterType.CATEGORICAL:
        return RawSide(parameter.name, Kind.CHOICE, one.size or 0, one)
    even = parameter.type is ParameterType.DISCRETE or parameter.space.distribution is Distribution.UNIFORM
    if even and one.size is not None and one.size <= MOST_VALUES:
        return RawSide(parameter.name, Kind.ORDER, one.size, one)
    return RawSide(parameter.name, Kind.UNIT, 0, one)
