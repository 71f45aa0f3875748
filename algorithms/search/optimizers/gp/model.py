"""The Gaussian process: a quadratic trend and a Matern-5/2 kernel, fitted to the results."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky
from scipy.linalg.lapack import dpotri, dtrtri
from scipy.optimize import minimize

from algorithms.search.optimizers.gp.geometry import Array, Mask

FLOOR = 1e-6
"""Variance added to the noise, so that the covariance can be factorised."""
TINY = 1e-12
SCALE, SCALE_SPREAD = 0.3, 1.2
"""The prior of length scales: its median for d = 1, and the deviation of the logarithm."""
NOISE, NOISE_SPREAD = 1e-3, 2.0
SIGNAL_SPREAD = 1.0
TREND, TREND_SPREAD = 0.1, 1.5
"""The prior of the trend's variance. Measured on 28 tuning problems of `quality`, 6 seeds: without
one, regret at 100 trials is 1.06 (w=1) and 1.12 (w=10) times as much; with a variance for each side
it is the same."""
STEPS = 30
"""How many iterations one fit makes at most."""


@dataclass(frozen=True)
class Hyper:
    """Hyperparameters: weights (d,) = 1 / length scale², and the variances of signal, noise and
    trend.

    Variances are in units of the warped losses, whose variance is 1. `theta` (d + 3,) has the
    logarithms of length scales and variances.
    """

    weights: Array
    signal: float
    noise: float
    trend: float

    @classmethod
    def of(cls, theta: Array) -> Hyper:
        signal, noise, trend = np.exp(theta[-3:]).tolist()
        return cls(np.exp(-2 * theta[:-3]), signal, noise, trend)

    @property
    def theta(self) -> Array:
        return np.concatenate(
            [-0.5 * np.log(self.weights), np.log([self.signal, self.noise, self.trend])]
        )


def prior(d: int) -> tuple[Array, Array]:
    """Mean and deviation, both (d + 3,), of the normal prior of theta; scales grow with √d
    (Hvarfner et al. 2024).
    """
    scale = math.log(SCALE) + 0.5 * math.log(d)
    mean = np.array([scale] * d + [0.0, math.log(NOISE), math.log(TREND)])
    return mean, np.array([SCALE_SPREAD] * d + [SIGNAL_SPREAD, NOISE_SPREAD, TREND_SPREAD])


def trend_terms(points: Array, ordered: NDArray[np.intp]) -> Array:
    """The terms (n, 2k) of the trend at `points` (n, d): Legendre polynomials of degrees 1 and 2 on
    k `ordered` sides.

    The trend also has a level for each choice of the other sides; its variance, averaged over the
    cube, is then 1.
    """
    z = 2 * points[:, ordered] - 1
    return np.hstack([z * math.sqrt(1.5), (1.5 * z * z - 0.5) * math.sqrt(2.5)]) / math.sqrt(
        points.shape[1]
    )


def trend_slopes(points: Array, sides: NDArray[np.intp]) -> tuple[Array, Array]:
    """The derivatives of the terms of degrees 1 and 2 by the coordinates of k `sides`, each (s,
    k).
    """
    z, d = 2 * points[:, sides] - 1, points.shape[1]
    return np.full(z.shape, 2 * math.sqrt(1.5 / d)), 6 * math.sqrt(2.5 / d) * z


def matern(squares: Array) -> tuple[Array, Array]:
    """The Matern-5/2 kernel and -2 times its derivative at scaled squared distances (Rasmussen and
    Williams 2006, 4.17).
    """
    root = np.sqrt(5.0 * squares)
    fade = np.exp(-root)
    slope = (1.0 + root) * fade
    return slope + (5.0 / 3.0) * squares * fade, (5.0 / 3.0) * slope


def fit(points: Array, values: Array, extra: Array, categorical: Mask) -> Hyper:
    """The hyperparameters of the largest posterior, given `values` (n,) at `points` (n, d).

    `extra` (n,) is noise variance that is known beforehand; `categorical` (d,) marks unordered
    sides. L-BFGS-B (Byrd et al. 1995) from two starts; the mean of the prior if both fail.
    """
    n, d = points.shape
    gaps = np.square(points.T[:, :, None] - points.T[:, None, :])
    gaps[categorical] = gaps[categorical] > 0
    bent = trend_terms(points, np.flatnonzero(~categorical))
    alike = bent @ bent.T + (1 - gaps[categorical]).sum(axis=0) / d
    gaps = gaps.reshape(d, n * n)
    mean, deviation = prior(d)
    diagonal = np.diag_indices(n)

    def objective(theta: Array) -> tuple[float, Array]:
        hyper = Hyper.of(theta)
        shape, slope = matern((hyper.weights @ gaps).reshape(n, n))
        covariance = hyper.signal * shape + hyper.trend * alike
        covariance[diagonal] += hyper.noise + FLOOR + extra
        try:
            lower = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros(d + 3)
        inverse = np.tril(dpotri(lower, lower=1)[0])
        inverse += np.tril(inverse, -1).T
        alpha = inverse @ values
        pull = inverse - np.outer(alpha, alpha)
        z = (theta - mean) / deviation
        gradient = z / deviation
        gradient[:d] += 0.5 * hyper.signal * hyper.weights * (gaps @ (pull * slope).ravel())
        gradient[d] += 0.5 * hyper.signal * np.vdot(pull, shape)
        gradient[d + 1] += 0.5 * hyper.noise * np.trace(pull)
        gradient[d + 2] += 0.5 * hyper.trend * np.vdot(pull, alike)
        return 0.5 * (values @ alpha + z @ z) + np.log(lower[diagonal]).sum(), gradient

    best = (math.inf, mean)
    options = {"maxiter": STEPS, "gtol": 1e-2, "ftol": 1e-5}
    bounds = list(zip(mean - 4 * deviation, mean + 4 * deviation, strict=True))
    for start in range(2):  # the prior's mean, and shorter scales with more noise
        first = mean.copy()
        first[:d] -= start
        first[d + 1] += 2 * start
        found = minimize(
            objective, first, jac=True, method="L-BFGS-B", bounds=bounds, options=options
        )
        if found.fun < best[0] and np.isfinite(found.x).all():
            best = float(found.fun), found.x
    return Hyper.of(best[1])


class Posterior:
    """The posterior of the loss, given `values` (n,) at `points` (n, d) with known noise variances
    `extra` (n,).

    Raises LinAlgError if the covariance is singular.
    """

    def __init__(
        self, hyper: Hyper, categorical: Mask, points: Array, values: Array, extra: Array
    ) -> None:
        self.hyper = hyper
        self._unordered, self._ordered = np.flatnonzero(categorical), np.flatnonzero(~categorical)
        self._scale = np.sqrt(hyper.weights[self._ordered])
        self._place(points)
        covariance = self._covariance(points, self._curves)[0]
        covariance[np.diag_indices(len(points))] += hyper.noise + FLOOR + extra
        self._root = inverse_root(covariance)
        self._alpha = self._root.T @ (self._root @ values)

    def _place(self, points: Array) -> None:
        self.points = points
        self._scaled = points[:, self._ordered] * self._scale
        self._norms = np.einsum("ij,ij->i", self._scaled, self._scaled)
        self._curves = trend_terms(points, self._ordered)

    def given(self, pending: Array) -> Posterior:
        """The posterior if each of `pending` (p, d) had its posterior mean as a result: the kriging
        believer.

        Such results change no mean, so that only the root of the inverse covariance grows
        (Ginsbourger et al. 2010). Raises LinAlgError.
        """
        if not len(pending):
            return self
        n, p = len(self.points), len(pending)
        more = copy(self)
        more._place(np.vstack([self.points, pending]))
        covariance = more._covariance(pending, more._curves[n:])[0]
        half = self._root @ covariance[:, :n].T
        block = covariance[:, n:] - half.T @ half
        block[np.diag_indices(p)] += self.hyper.noise + 2 * FLOOR
        corner = inverse_root(block)
        more._root = np.zeros((n + p, n + p))
        more._root[:n, :n] = self._root
        more._root[n:, :n] = -corner @ (half.T @ self._root)
        more._root[n:, n:] = corner
        more._alpha = np.concatenate([self._alpha, np.zeros(p)])
        return more

    def mean(self, points: Array) -> Array:
        """The mean (s,) at `points` (s, d)."""
        return np.asarray(
            self._covariance(points, trend_terms(points, self._ordered))[0] @ self._alpha
        )

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and standard deviation (s,) of the noiseless loss at `points` (s, d)."""
        bent = trend_terms(points, self._ordered)
        cross = self._covariance(points, bent)[0]
        return cross @ self._alpha, self._deviation(bent, cross @ self._root.T)

    def gradients(
        self, points: Array, sides: NDArray[np.intp]
    ) -> tuple[Array, Array, Array, Array]:
        """Mean and deviation (s,), and their derivatives (s, len(sides)) by the coordinates of
        `sides`, which are ordered.
        """
        bent = trend_terms(points, self._ordered)
        cross, slope = self._covariance(points, bent)
        half = cross @ self._root.T
        deviation = self._deviation(bent, half)
        back = half @ self._root
        weights, x, z = self.hyper.weights[sides], points[:, sides], self.points[:, sides]
        pull, push = slope * self._alpha, slope * back
        by_mean = weights * (pull @ z - x * pull.sum(axis=1)[:, None])
        by_deviation = weights * (push @ z - x * push.sum(axis=1)[:, None])
        left = bent - back @ self._curves
        by_mean += self._trend_gradients(points, sides, (self._alpha @ self._curves)[None, :])
        by_deviation -= self._trend_gradients(points, sides, left)
        return cross @ self._alpha, deviation, by_mean, -by_deviation / deviation[:, None]

    def _trend_gradients(self, points: Array, sides: NDArray[np.intp], sizes: Array) -> Array:
        """The derivatives (s, len(sides)) of a trend whose terms have the factors `sizes` (1 or s,
        2k).
        """
        first, (one, two) = np.searchsorted(self._ordered, sides), trend_slopes(points, sides)
        return self.hyper.trend * (
            one * sizes[:, first] + two * sizes[:, first + len(self._ordered)]
        )

    def _deviation(self, bent: Array, half: Array) -> Array:
        trend = np.einsum("ij,ij->i", bent, bent) + len(self._unordered) / self.points.shape[1]
        variance = self.hyper.signal + self.hyper.trend * trend - np.einsum("ij,ij->i", half, half)
        return np.asarray(np.sqrt(np.maximum(variance, TINY)))

    def _covariance(self, points: Array, bent: Array) -> tuple[Array, Array]:
        """Covariances (s, n) of `points` (s, d), whose trend terms are `bent`, with the known ones;
        the kernel's slopes.
        """
        scaled = points[:, self._ordered] * self._scale
        squares = (
            np.einsum("ij,ij->i", scaled, scaled)[:, None]
            + self._norms
            - 2 * (scaled @ self._scaled.T)
        )
        alike = bent @ self._curves.T
        for j in self._unordered:
            differs = points[:, j, None] != self.points[:, j]
            squares += self.hyper.weights[j] * differs
            alike += ~differs / points.shape[1]
        shape, slope = matern(np.maximum(squares, 0.0, out=squares))
        return self.hyper.signal * shape + self.hyper.trend * alike, self.hyper.signal * slope


def inverse_root(covariance: Array) -> Array:
    """The inverse (n, n) of the lower Cholesky factor of `covariance` (n, n); raises
    LinAlgError.
    """
    lower = cholesky(covariance, lower=True, check_finite=False)
    inverse, info = dtrtri(lower, lower=1)
    if info or not np.isfinite(inverse[-1]).all():
        raise np.linalg.LinAlgError("singular covariance")
    return np.asarray(np.tril(inverse))
