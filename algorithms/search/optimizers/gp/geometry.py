"""The search space as the Gaussian process sees it: a cube with levels along its sides."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from algorithms.space.dimension import dimension
from algorithms.space.encoding import MIDDLE, Cube
from events.spec.conditions import outermost_first, predicate
from events.spec.space import Parameter, ParameterType

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
FINEST = 1024
"""A side with more values counts as a continuum."""


@dataclass(frozen=True, slots=True)
class Side:
    """One parameter. Its levels are the coordinates of its values in ascending order, None for a
    continuum.
    """

    levels: tuple[float, ...] | None = None
    categorical: bool = False
    """Are the values unordered?"""


@dataclass(frozen=True, slots=True)
class Dependence:
    """A conditional side: it exists only where its parent exists and `meets` holds for the parent's
    coordinate.
    """

    side: int
    parent: int
    meets: Callable[[float], bool]


@dataclass(frozen=True)
class Geometry:
    """The d sides of the cube, and which of them depend on others."""

    sides: tuple[Side, ...]
    dependences: tuple[Dependence, ...] = ()
    """Parents before their children."""

    @classmethod
    def of(cls, cube: Cube) -> Geometry:
        return cls(tuple(_side(parameter) for parameter in cube.parameters), _dependences(cube))

    @cached_property
    def categorical(self) -> Mask:
        """Mask (d,) of the unordered sides."""
        return np.array([side.categorical for side in self.sides], dtype=bool)

    @cached_property
    def continuous(self) -> NDArray[np.intp]:
        """The indices of the sides that are a continuum."""
        return np.array(
            [j for j, side in enumerate(self.sides) if side.levels is None], dtype=np.intp
        )

    @cached_property
    def grids(self) -> dict[int, Array]:
        """The levels of each side with two or more, by the index of the side."""
        return {
            j: np.array(s.levels)
            for j, s in enumerate(self.sides)
            if s.levels is not None and len(s.levels) > 1
        }

    def snap(self, points: Array) -> Array:
        """A copy of `points` (n, d) with each coordinate at the nearest level of its side, and
        absent ones in the middle.
        """
        snapped = np.clip(points, 0.0, 1.0)
        for j, side in enumerate(self.sides):
            if side.levels is not None:
                levels = np.asarray(side.levels)
                snapped[:, j] = levels[
                    np.searchsorted((levels[1:] + levels[:-1]) / 2, snapped[:, j], side="right")
                ]
        return self.settle(snapped)

    def every(self, most: int) -> Array | None:
        """All points (n, d) of a space with up to `most`, in arbitrary order; None for a larger
        one.
        """
        if len(self.continuous) or math.prod(len(side.levels or ()) for side in self.sides) > most:
            return None
        points = np.array(list(product(*(side.levels or () for side in self.sides))))
        return np.unique(self.settle(points), axis=0)

    def settle(self, points: Array) -> Array:
        """Move absent coordinates of `points` (n, d) to the middle, in place, and return
        `points`.
        """
        present = np.ones(points.shape, dtype=bool)
        for one in self.dependences:
            met = np.fromiter(map(one.meets, points[:, one.parent]), dtype=bool, count=len(points))
            present[:, one.side] = present[:, one.parent] & met
        points[~present] = MIDDLE
        return points


def _side(parameter: Parameter) -> Side:
    values, categorical = dimension(parameter), parameter.type is ParameterType.CATEGORICAL
    if values.size is None or (values.size > FINEST and not categorical):
        return Side()
    if categorical:
        return Side(tuple((i + 0.5) / values.size for i in range(values.size)), categorical=True)
    encoded = [values.encode(values.at(index)) for index in range(values.size)]
    return Side(tuple(u for u in encoded if u is not None))


def _dependences(cube: Cube) -> tuple[Dependence, ...]:
    index = {parameter.name: number for number, parameter in enumerate(cube.parameters)}
    return tuple(
        Dependence(index[child.name], parent, _meets(child, cube.parameters[parent]))
        for child in outermost_first(cube.parameters)
        if child.condition is not None
        for parent in (index[child.condition.parameter],)
    )


def _meets(child: Parameter, parent: Parameter) -> Callable[[float], bool]:
    assert child.condition is not None
    values, allowed = dimension(parent), predicate(child.condition, parent)
    return lru_cache(maxsize=4096)(lambda u: allowed(values.decode(float(u))))
