"""The Gaussian process: Matern-5/2 kernel with a length scale per side, fitted by maximum a posteriori."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky
from scipy.linalg.lapack import dpotri, dtrtri
from scipy.optimize import minimize

from algorithms.search.gp.geometry import Array, Mask
from algorithms.search.gp.tuning import K

SAME = 1e-12
"""Coordinates of an unordered side that differ by no more than this are of one slice."""


@dataclass(frozen=True)
class Hyper:
    """Hyperparameters: weights (d,) = 1 / length scale², and variances in units of the warped losses."""

    weights: Array
    signal: float
    noise: float
    trend: float = 0.0

    @classmethod
    def of(cls, theta: Array) -> Hyper:
        d = len(theta) - 3
        return cls(np.exp(-2 * theta[:d]), math.exp(theta[d]), math.exp(theta[d + 1]), math.exp(theta[d + 2]))

    @property
    def theta(self) -> Array:
        return np.concatenate([-0.5 * np.log(self.weights), np.log([self.signal, self.noise, self.trend])])


def prior(d: int) -> tuple[Array, Array]:
    """Mean and deviation (d + 3,) of the normal prior of theta: scales grow with √d (Hvarfner et al. 2024)."""
    scale = math.log(K.ls_mean) + 0.5 * math.log(d)
    mean = np.array([scale] * d + [0.0, math.log(K.noise_mean), math.log(K.trend or 1e-9)])
    return mean, np.array([K.ls_sd] * d + [K.signal_sd, K.noise_sd, K.trend_sd if K.trend else 1e-9])


def matern(squares: Array) -> tuple[Array, Array]:
    """Matern-5/2 and -2 times its derivative, at squared scaled distances (Rasmussen and Williams 2006, 4.17)."""
    root = np.sqrt(5.0 * squares)
    fade = np.exp(-root)
    slope = (1.0 + root) * fade
    return slope + (5.0 / 3.0) * squares * fade, (5.0 / 3.0) * slope


def features(points: Array, categorical: Mask) -> Array:
    x = 2 * points[:, ~categorical] - 1
    d = points.shape[1]
    return np.hstack([x, 1.5 * x * x - 0.5]) / math.sqrt(d)


def fit(points: Array, values: Array, extra: Array, categorical: Mask) -> Hyper:
    """Maximise likelihood times prior with L-BFGS-B (Byrd et al. 1995) from two starts; the prior's mean if it fails.

    `extra` (n,) is variance of the noise known beforehand.
    """
    n, d = points.shape
    gaps = np.abs(points.T[:, :, None] - points.T[:, None, :])
    gaps = np.where(categorical[:, None, None], gaps > SAME, gaps**2).reshape(d, n * n)
    phi = features(points, categorical)
    linear = phi @ phi.T
    for j in np.flatnonzero(categorical):
        linear += (1 - gaps[j].reshape(n, n)) / d
    mean, deviation = prior(d)
    diagonal = np.diag_indices(n)

    def objective(theta: Array) -> tuple[float, Array]:
        hyper = Hyper.of(theta)
        shape, slope = matern((hyper.weights @ gaps).reshape(n, n))
        covariance = hyper.signal * shape
        if K.trend:
            covariance += hyper.trend * linear
        covariance[diagonal] += hyper.noise + K.floor + extra
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
        if K.trend:
            gradient[d + 2] += 0.5 * hyper.trend * np.vdot(pull, linear)
        else:
            gradient[d + 2] = 0
        return 0.5 * (values @ alpha + z @ z) + np.log(lower[diagonal]).sum(), gradient

    best = (math.inf, mean)
    bounds = list(zip(mean - 4 * deviation, mean + 4 * deviation, strict=True))
    for start in range(K.starts):
        first = mean.copy()
        first[:d] -= start
        first[d + 1] += 2 * start
        found = minimize(
            objective,
            first,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": K.iters, "gtol": 1e-2, "ftol": 1e-5},
        )
        if found.fun < best[0] and np.isfinite(found.x).all():
            best = float(found.fun), found.x
    return Hyper.of(best[1])


class Posterior:
    """What is believed of the loss, given values (n,) at points (n, d)."""

    def __init__(self, hyper: Hyper, categorical: Mask, points: Array, values: Array, extra: Array) -> None:
        self.hyper, self.points = hyper, points
        self._categorical, self._numeric = categorical, np.flatnonzero(~categorical)
        covariance = self._covariance(points, points)[0]
        covariance[np.diag_indices(len(points))] += hyper.noise + K.floor + extra
        self._root = inverse_root(covariance)
        self._alpha = self._root.T @ (self._root @ values)

    def given(self, pending: Array) -> Posterior:
        """Kriging believer (Ginsbourger et al. 2010): each pending point (p, d) returns its posterior mean.

        Such values change no mean, so that only the root of the inverse covariance grows.
        """
        if not len(pending):
            return self
        n, p = len(self.points), len(pending)
        half = self._root @ self._covariance(self.points, pending)[0]
        block = self._covariance(pending, pending)[0] - half.T @ half
        block[np.diag_indices(p)] += self.hyper.noise + 2 * K.floor
        corner = inverse_root(block)
        more = object.__new__(Posterior)
        more.__dict__.update(self.__dict__)
        more.points = np.vstack([self.points, pending])
        more._root = np.zeros((n + p, n + p))
        more._root[:n, :n] = self._root
        more._root[n:, :n] = -corner @ (half.T @ self._root)
        more._root[n:, n:] = corner
        more._alpha = np.concatenate([self._alpha, np.zeros(p)])
        return more

    def mean(self, points: Array) -> Array:
        return self._covariance(points, self.points)[0] @ self._alpha

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and standard deviation (s,) of the noiseless loss at `points` (s, d)."""
        cross = self._covariance(points, self.points)[0]
        return cross @ self._alpha, self._deviation(points, cross @ self._root.T)

    def gradients(self, points: Array, sides: NDArray[np.intp]) -> tuple[Array, Array, Array, Array]:
        """Mean and deviation (s,), and their derivatives (s, len(sides)) by the coordinates on ordered `sides`."""
        cross, slope = self._covariance(points, self.points)
        half = cross @ self._root.T
        deviation = self._deviation(points, half)
        back = half @ self._root
        pull, push = slope * self._alpha, slope * back
        weights, x, z = self.hyper.weights[sides], points[:, sides], self.points[:, sides]
        by_mean = -weights * (x * pull.sum(axis=1)[:, None] - pull @ z)
        by_deviation = weights * (x * push.sum(axis=1)[:, None] - push @ z)
        if K.trend:
            t = self.hyper.trend / points.shape[1]
            y, yz = 2 * x - 1, 2 * z - 1
            # d phi: 2 , 6 y ; values: y , 1.5y^2-.5
            q = 1.5 * yz * yz - 0.5
            qy = 1.5 * y * y - 0.5
            by_mean += t * (2 * (self._alpha @ yz) + 6 * y * (self._alpha @ q))
            by_deviation += t * ((2 * y + 6 * y * qy) - (2 * (back @ yz) + 6 * y * (back @ q)))
        by_deviation /= deviation[:, None]
        return cross @ self._alpha, deviation, by_mean, by_deviation

    def _deviation(self, points: Array, half: Array) -> Array:
        variance = self.hyper.signal - np.einsum("ij,ij->i", half, half)
        if K.trend:
            f = features(points, self._categorical)
            variance += self.hyper.trend * (np.einsum("ij,ij->i", f, f) + self._categorical.mean())
        return np.sqrt(np.maximum(variance, 1e-12))

    def _covariance(self, a: Array, b: Array) -> tuple[Array, Array]:
        """Covariances (p, q) of the points `a` (p, d) and `b` (q, d), and their slopes as of `matern`."""
        scale = np.sqrt(self.hyper.weights[self._numeric])
        p, q = a[:, self._numeric] * scale, b[:, self._numeric] * scale
        squares = np.einsum("ij,ij->i", p, p)[:, None] + np.einsum("ij,ij->i", q, q) - 2 * (p @ q.T)
        cats = np.flatnonzero(self._categorical)
        linear = features(a, self._categorical) @ features(b, self._categorical).T if K.trend else 0
        for j in cats:
            differ = np.abs(a[:, j, None] - b[:, j]) > SAME
            squares += self.hyper.weights[j] * differ
            if K.trend:
                linear += (1 - differ) / a.shape[1]
        shape, slope = matern(np.maximum(squares, 0.0, out=squares))
        cov = self.hyper.signal * shape
        if K.trend:
            cov += self.hyper.trend * linear
        return cov, self.hyper.signal * slope


def inverse_root(covariance: Array) -> Array:
    """The inverse of the lower Cholesky factor; raises LinAlgError."""
    lower = cholesky(covariance, lower=True, check_finite=False)
    inverse, info = dtrtri(lower, lower=1)
    if info or not np.isfinite(inverse[-1]).all():
        raise np.linalg.LinAlgError("singular covariance")
    return np.asarray(np.tril(inverse))
