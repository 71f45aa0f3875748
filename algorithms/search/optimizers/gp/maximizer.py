"""Maximise an acquisition over a mixed space, by gradients and by moves on single sides."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from algorithms.search.optimizers.gp.acquisition import Acquisition
from algorithms.search.optimizers.gp.geometry import Array, Geometry, Mask

Allowed = Callable[[Array], Mask]
WORK, LEAST_CANDIDATES, MOST_CANDIDATES = 60_000, 96, 768
"""The product of the numbers of candidates and of known points, and the bounds of the number of
candidates."""
THOROUGH = (6, 20, 2, 6)
"""How many points are improved, gradient steps, rounds of gradients and single moves, and single
moves a round."""
FAST = (2, 6, 1, 2)
"""The same where many trials run and the exact maximum matters little."""
SHORT_SIDE = 12
"""Of a side with up to so many values all are tried."""
LONG_SIDE_SAMPLE = 8
FEWEST_MOVES, MOST_MOVES = 12, 48
"""How many single moves are tried at a time, at least and at most."""


@dataclass(frozen=True)
class AcquisitionMaximizer:
    """One maximisation; all randomness comes from `rng`. `allowed` says which of points (s, d)
    constraints allow.
    """

    geometry: Geometry
    acquisition: Acquisition
    rng: np.random.Generator
    fast: bool = False
    allowed: Allowed | None = None

    def run(self, centres: Array) -> tuple[Array, Array]:
        """Points (s, d) and their acquisition (s,), highest first; `centres` (k, d) are the best
        known points, best first.
        """
        g, d = self.geometry, len(self.geometry.sides)
        count = int(np.clip(self._count, LEAST_CANDIDATES, MOST_CANDIDATES)) // (
            2 if self.fast else 1
        )
        near = count // 3
        candidates = g.snap(
            np.vstack([self.rng.random((count - near, d)), self._around(centres, near)])
        )
        scores = self._value(candidates)
        chosen = self._starts(scores)
        points, values = candidates[chosen], scores[chosen]
        for _ in range(self._effort[2]):
            before = values
            points, values = self._climb(points, values)
            if not g.grids:
                break
            points, values = self._hop(points, values)
            if np.all(values - before < 1e-3):
                break
        points, values = np.vstack([points, candidates]), np.concatenate([values, scores])
        order = np.argsort(-values, kind="stable")
        return points[order], values[order]

    @property
    def _effort(self) -> tuple[int, int, int, int]:
        return FAST if self.fast else THOROUGH

    @property
    def _count(self) -> float:
        """How many candidates there is time for: fewer, the more points the model has."""
        return WORK / len(self.acquisition.posterior.points)

    def _value(self, points: Array, known: Array | None = None) -> Array:
        """The acquisition (s,), -inf where a point is not allowed; points no better than `known`
        (s,) are not checked.
        """
        values = self.acquisition(points)
        values = np.where(np.isnan(values), -np.inf, values)
        if self.allowed is not None:
            rows = np.arange(len(points)) if known is None else np.flatnonzero(values > known)
            values[rows[~self.allowed(points[rows])]] = -np.inf
        return values

    def _starts(self, scores: Array) -> NDArray[np.intp]:
        """Indices of the best candidate and of others, drawn in proportion to their expected
        improvement (Gumbel trick).
        """
        keys = np.maximum(scores, scores.max(initial=-1e9) - 50) + self.rng.gumbel(size=len(scores))
        keys[np.argmax(scores)] = np.inf
        return np.argsort(-keys, kind="stable")[: self._effort[0]]

    def _around(self, centres: Array, count: int) -> Array:
        """`count` points near the centres, better ones more often: some sides are moved, by steps
        of all sizes.
        """
        d = len(self.geometry.sides)
        base = centres[(self.rng.random(count) ** 2 * len(centres)).astype(int)]
        share = np.minimum(1.0, 2.0 ** self.rng.uniform(0, math.log2(d) + 1, count) / d)
        moved = self.rng.random((count, d)) < share[:, None]
        moved[np.arange(count), self.rng.integers(0, d, count)] = True
        step = np.exp(self.rng.uniform(math.log(0.01), math.log(0.5), count))[:, None]
        near = 1 - np.abs(1 - np.abs(base + step * self.rng.standard_normal((count, d))))
        new = np.where(self.geometry.categorical, self.rng.random((count, d)), near)
        return np.where(moved, new, base)

    def _climb(self, points: Array, values: Array) -> tuple[Array, Array]:
        """Improve all points at once by gradients on the continua, in units of the length
        scales.
        """
        sides = self.geometry.continuous
        if not len(sides):
            return points, values
        scale = np.clip(self.acquisition.posterior.hyper.weights[sides] ** -0.5, 1e-3, 1.0)
        moving, many = points.copy(), len(points)

        def objective(flat: Array) -> tuple[float, Array]:
            moving[:, sides] = flat.reshape(many, -1) * scale
            total, slopes = self.acquisition.gradients(moving, sides)
            return -float(total.sum()), -(slopes * scale).ravel()

        steps = self._effort[1]
        bounds = [(0.0, 1.0 / width) for width in scale] * many
        options = {"maxiter": steps, "maxfun": 2 * steps}
        found = minimize(
            objective,
            (points[:, sides] / scale).ravel(),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options=options,
        )
        moved = points.copy()
        moved[:, sides] = np.clip(found.x.reshape(many, -1) * scale, 0.0, 1.0)
        moved = self.geometry.settle(moved)
        scores = self._value(moved)
        won = scores > values
        return np.where(won[:, None], moved, points), np.where(won, scores, values)

    def _hop(self, points: Array, values: Array) -> tuple[Array, Array]:
        """Improve each point by its best move on a single side, repeatedly (local search of SMAC,
        Hutter et al. 2011).
        """
        rows = np.arange(len(points))
        for _ in range(self._effort[3]):
            sides, levels = self._moves()
            moved = np.repeat(points[:, None, :], len(sides), axis=1)
            moved[:, np.arange(len(sides)), sides] = levels
            moved = self.geometry.settle(moved.reshape(-1, points.shape[1]))
            scores = self._value(moved, np.repeat(values, len(sides))).reshape(
                len(points), len(sides)
            )
            moved = moved.reshape(len(points), len(sides), -1)
            best = np.argmax(scores, axis=1)
            won = scores[rows, best] > values + 1e-9
            if not won.any():
                break
            points = np.where(won[:, None], moved[rows, best], points)
            values = np.where(won, scores[rows, best], values)
        return points, values

    def _moves(self) -> tuple[NDArray[np.intp], Array]:
        """The sides and levels of the moves to try: all levels of a short side, a sample of those
        of a long one.
        """
        tried = {
            j: grid
            if len(grid) <= SHORT_SIDE
            else self.rng.choice(grid, LONG_SIDE_SAMPLE, replace=False)
            for j, grid in self.geometry.grids.items()
        }
        sides = np.repeat(list(tried), [len(grid) for grid in tried.values()])
        levels = np.concatenate(list(tried.values()))
        most = int(np.clip(self._count / FEWEST_MOVES, FEWEST_MOVES, MOST_MOVES))
        if len(sides) > most:
            some = self.rng.choice(len(sides), most, replace=False)
            sides, levels = sides[some], levels[some]
        return sides, levels
