"""Where to look next: the logarithm of the expected improvement, and its maximum over a mixed space."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import erfcx, log_ndtr, ndtr

from algorithms.search.gp.geometry import Array, Geometry, Mask
from algorithms.search.gp.model import Posterior
from algorithms.search.gp.tuning import K

C1 = 0.5 * math.log(2 * math.pi)


def log_improvement(mean: Array, deviation: Array, best: float) -> tuple[Array, Array, Array]:
    """log EI and its derivatives by mean and deviation, exact far into the tail (Ament et al. 2023)."""
    z = (best - mean) / deviation
    near = np.maximum(z, -1.0)
    phi = np.exp(-0.5 * near**2 - C1)
    h = phi + near * ndtr(near)
    far = np.minimum(z, -1.0)
    mills = math.sqrt(math.pi / 2) * erfcx(-far / math.sqrt(2.0))
    rest = np.where(far > -1e3, 1.0 + far * mills, 1.0 / (far * far + 3.0))
    rest = np.maximum(rest, 1e-300)
    tail = z < -1.0
    value = np.log(deviation) + np.where(tail, -0.5 * far**2 - C1 + np.log(rest), np.log(h))
    by_mean = -np.where(tail, mills / rest, ndtr(near) / h) / deviation
    by_dev = np.where(tail, 1.0 / rest, phi / h) / deviation
    return value, by_mean, by_dev


class Hunt:
    """Maximises log EI: scattered candidates, then gradients on continua and best moves on the other sides."""

    def __init__(self, geometry: Geometry, posterior: Posterior, best: float, rng: np.random.Generator,
                 allowed: Callable[[Array], Mask] | None) -> None:
        self.g, self.posterior, self.best, self.rng, self.allowed = geometry, posterior, best, rng, allowed

    def value(self, points: Array) -> Array:
        mean, dev = self.posterior.predict(points)
        value = log_improvement(mean, dev, self.best)[0]
        if self.allowed is not None:
            value = np.where(self.allowed(points), value, -np.inf)
        return value

    def run(self, centres: Array) -> tuple[Array, Array]:
        """Points and their values; `centres` are the best known points, best first."""
        d = len(self.g.sides)
        candidates = self.g.snap(np.vstack([self.rng.random((K.glob, d)), self.around(centres, K.loc)]))
        values = self.value(candidates)
        order = np.argsort(-values, kind="stable")
        chosen = self.pick(candidates, values, order)
        points, scores = candidates[chosen], values[chosen]
        for _ in range(K.rounds):
            before = scores.copy()
            points, scores = self.climb(points, scores)
            if not self.g.grids:
                break
            points, scores = self.hop(points, scores)
            if np.all(scores - before < 1e-3):
                break
        return np.vstack([points, candidates]), np.concatenate([scores, values])

    def pick(self, candidates: Array, values: Array, order: Array) -> Array:
        """The best, and others drawn in proportion to their expected improvement."""
        finite = np.where(np.isfinite(values), values, -1e9)
        chance = np.exp(np.clip(finite - finite.max(), -50, 0))
        keys = np.log(chance) + self.rng.gumbel(size=len(values))
        keys[order[0]] = np.inf
        return np.argsort(-keys, kind="stable")[: K.climbers]

    def around(self, centres: Array, count: int) -> Array:
        """Mutants of the centres: a few sides each, by steps of all sizes."""
        d = len(self.g.sides)
        base = centres[np.minimum((self.rng.random(count) ** 2 * len(centres)).astype(int), len(centres) - 1)]
        share = np.minimum(1.0, 2.0 ** self.rng.uniform(0, math.log2(d) + 1, count) / d)
        moved = self.rng.random((count, d)) < share[:, None]
        moved[np.arange(count), self.rng.integers(0, d, count)] = True
        step = np.exp(self.rng.uniform(math.log(0.01), math.log(0.5), count))[:, None]
        near = base + step * self.rng.standard_normal((count, d))
        near = np.abs(near)
        near = 1 - np.abs(1 - near)
        anywhere = self.rng.random((count, d))
        new = np.where(self.g.categorical, anywhere, np.clip(near, 0, 1))
        return np.where(moved, new, base)

    def climb(self, points: Array, scores: Array) -> tuple[Array, Array]:
        """All points at once up the gradient on the continuous sides, scaled by their length scales."""
        sides = self.g.continuous
        if not len(sides):
            return points, scores
        scale = np.minimum(1.0 / np.sqrt(self.posterior.hyper.weights[sides]), 1.0)
        current = points.copy()
        s = len(points)

        def negative(flat: Array) -> tuple[float, Array]:
            current[:, sides] = flat.reshape(s, -1) * scale
            mean, dev, d_mean, d_dev = self.posterior.gradients(current, sides)
            value, by_mean, by_dev = log_improvement(mean, dev, self.best)
            grad = by_mean[:, None] * d_mean + by_dev[:, None] * d_dev
            return -float(value.sum()), -(grad * scale).ravel()

        bounds = [(0.0, 1.0 / w) for _ in range(s) for w in scale]
        found = minimize(negative, (points[:, sides] / scale).ravel(), jac=True, method="L-BFGS-B", bounds=bounds,
                         options={"maxiter": K.grad_iters, "maxfun": 2 * K.grad_iters})
        moved = points.copy()
        moved[:, sides] = np.clip(found.x.reshape(s, -1) * scale, 0.0, 1.0)
        return self.better(points, scores, moved)

    def better(self, points: Array, scores: Array, moved: Array) -> tuple[Array, Array]:
        values = self.value(moved)
        won = values > scores
        return np.where(won[:, None], moved, points), np.where(won, values, scores)

    def hop(self, points: Array, scores: Array) -> tuple[Array, Array]:
        """Repeat the best single move of each point on the sides with values."""
        for _ in range(10):
            sides, levels = self.moves()
            s, m = len(points), len(sides)
            moved = np.repeat(points[:, None, :], m, axis=1)
            moved[:, np.arange(m), sides] = levels
            values = self.value(moved.reshape(s * m, -1)).reshape(s, m)
            best = np.argmax(values, axis=1)
            won = values[np.arange(s), best] > scores + 1e-9
            if not won.any():
                break
            points = np.where(won[:, None], moved[np.arange(s), best], points)
            scores = np.where(won, values[np.arange(s), best], scores)
        return points, scores

    def moves(self) -> tuple[Array, Array]:
        """Sides and levels to try: all of a short side, a sample of a long one."""
        sides, levels = [], []
        for j, grid in self.g.grids.items():
            some = grid if len(grid) <= 12 else self.rng.choice(grid, 8, replace=False)
            sides.append(np.full(len(some), j))
            levels.append(some)
        return np.concatenate(sides), np.concatenate(levels)
