"""A mixed space with a bowl in it, for the tests of the Gaussian process."""

import numpy as np

from algorithms.search.optimizers.gp.geometry import Array, Geometry, Mask, Side
from algorithms.search.optimizers.gp.history import History
from algorithms.search.optimizers.gp.proposal import Proposer

LEVELS = (0.1, 0.3, 0.5, 0.9)
SIDES = (Side(), Side(LEVELS), Side((1 / 6, 0.5, 5 / 6), categorical=True), Side())
GEOMETRY = Geometry(SIDES)
START = 8
"""Initial points."""


def continua(width: int) -> Geometry:
    return Geometry((Side(),) * width)


def points_of(geometry: Geometry, count: int, seed: int = 0) -> Array:
    return geometry.snap(np.random.default_rng(seed).random((count, len(geometry.sides))))


def bowl(points: Array) -> Array:
    """Least, 0, at 0.3 on the continua, the second level and the first choice."""
    away = np.column_stack(
        [points[:, 0] - 0.3, points[:, 1] - 0.3, points[:, 2] > 0.4, points[:, 3] - 0.3]
    )
    return np.asarray((away.astype(float) ** 2).sum(axis=1))


def history_of(
    points: Array, losses: Array, partial: Mask | None = None, violations: Array | None = None
) -> History:
    losses = np.asarray(losses, dtype=float)
    losses = losses.reshape(len(points), losses.shape[1] if losses.ndim == 2 else 1)
    partial = np.zeros(len(points), dtype=bool) if partial is None else partial
    violations = np.zeros((len(points), 0)) if violations is None else violations
    return History(points, losses, partial, violations, np.zeros(len(points), dtype=bool))


def none(geometry: Geometry) -> Array:
    return np.zeros((0, len(geometry.sides)))


def run(proposer: Proposer, geometry: Geometry, count: int, seed: int = 0) -> History:
    """A whole sequential search of the bowl."""
    history = history_of(none(geometry), np.zeros(0))
    for index in range(count):
        point = proposer.propose(history, none(geometry), index)
        points = np.vstack([history.points, point])
        history = history_of(points, bowl(points))
    return history
