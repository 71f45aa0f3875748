"""A mixed space with a bowl in it, for the tests of the Gaussian process."""

import numpy as np

from algorithms.search.optimizers.gp.geometry import Array, Geometry, Side

LEVELS = (0.1, 0.3, 0.5, 0.9)
SIDES = (Side(), Side(LEVELS), Side((1 / 6, 0.5, 5 / 6), categorical=True), Side())
GEOMETRY = Geometry(SIDES)


def continua(width: int) -> Geometry:
    return Geometry((Side(),) * width)


def points_of(geometry: Geometry, count: int, seed: int = 0) -> Array:
    return geometry.snap(np.random.default_rng(seed).random((count, len(geometry.sides))))


def bowl(points: Array) -> Array:
    """Least, 0, at 0.3 on the continua, the second level and the first choice."""
    away = np.column_stack([points[:, 0] - 0.3, points[:, 1] - 0.3, points[:, 2] > 0.4, points[:, 3] - 0.3])
    return np.asarray((away.astype(float) ** 2).sum(axis=1))
