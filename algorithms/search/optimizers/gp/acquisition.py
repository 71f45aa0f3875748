"""The acquisition: log expected improvement, plus the log probability of being feasible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr

from algorithms.search.optimizers.gp.geometry import Array
from algorithms.search.optimizers.gp.model import Posterior

LOG_ROOT = 0.5 * math.log(2 * math.pi)


def log_improvement(mean: Array, deviation: Array, best: float) -> tuple[Array, Array, Array]:
    """log EI (s,) below `best`, and its derivatives (s,) by mean and deviation, both (s,).

    Exact far into the tail (Ament et al. 2023).
    """
    z = (best - mean) / deviation
    near, far = np.maximum(z, -1.0), np.minimum(z, -1.0)
    density = np.exp(-0.5 * near**2 - LOG_ROOT)
    gain = density + near * ndtr(near)
    mills = math.sqrt(math.pi / 2) * erfcx(-far / math.sqrt(2.0))
    rest = np.where(far > -1e3, 1.0 + far * mills, 1.0 / (far * far + 3.0))
    tail = z < -1.0
    value = np.log(deviation) + np.where(
        tail, -0.5 * far**2 - LOG_ROOT + np.log(rest), np.log(gain)
    )
    by_mean = -np.where(tail, mills / rest, ndtr(near) / gain) / deviation
    return value, by_mean, np.where(tail, 1.0 / rest, density / gain) / deviation


@dataclass(frozen=True)
class Constraint:
    """The posterior of one outcome constraint's violation, and the largest one that is feasible."""

    posterior: Posterior
    limit: float


@dataclass(frozen=True)
class Acquisition:
    """log(EI · Π P(feasible)) (Gardner et al. 2014); without a feasible result, `best` is None and
    EI is left out.
    """

    posterior: Posterior
    best: float | None
    constraints: Sequence[Constraint] = ()

    def __call__(self, points: Array) -> Array:
        """The acquisition (s,) at `points` (s, d)."""
        total = np.zeros(len(points))
        if self.best is not None:
            total += log_improvement(*self.posterior.predict(points), self.best)[0]
        for constraint in self.constraints:
            mean, deviation = constraint.posterior.predict(points)
            total += log_ndtr((constraint.limit - mean) / deviation)
        return total

    def gradients(self, points: Array, sides: NDArray[np.intp]) -> tuple[Array, Array]:
        """The acquisition (s,), and its derivatives (s, len(sides)) by the coordinates of `sides`,
        which are ordered.
        """
        total, slopes = np.zeros(len(points)), np.zeros((len(points), len(sides)))
        if self.best is not None:
            mean, deviation, d_mean, d_deviation = self.posterior.gradients(points, sides)
            total, by_mean, by_deviation = log_improvement(mean, deviation, self.best)
            slopes = by_mean[:, None] * d_mean + by_deviation[:, None] * d_deviation
        for constraint in self.constraints:
            mean, deviation, d_mean, d_deviation = constraint.posterior.gradients(points, sides)
            z = (constraint.limit - mean) / deviation
            total = total + log_ndtr(z)
            ratio = np.exp(-0.5 * z * z - LOG_ROOT - log_ndtr(z)) / deviation
            slopes = slopes - ratio[:, None] * (d_mean + z[:, None] * d_deviation)
        return total, slopes
