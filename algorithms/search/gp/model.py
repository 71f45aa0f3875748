"""The Gaussian process: Matern-5/2 kernel with a length scale per side, fitted by maximum a posteriori."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.lapack import dpotri, dtrtri
from scipy.optimize import minimize

from algorithms.search.gp.geometry import Array, Mask
from algorithms.search.gp.tuning import K

ROOT5 = math.sqrt(5.0)


@dataclass(frozen=True)
class Hyper:
    """Hyperparameters: weights (d,) = 1 / length scale², signal and noise variance in units of the warped losses."""

    weights: Array
    signal: float
    noise: float


def prior(d: int) -> Hyper:
    """The mode of the prior: length scales grow with √d (Hvarfner et al. 2024)."""
    return Hyper(np.full(d, 1.0 / (K.ls_mean**2 * d)), 1.0, K.noise_mean)


def matern(squares: Array) -> tuple[Array, Array]:
    """Matern-5/2 and -2 times its derivative, at squared scaled distances (Rasmussen and Williams 2006, 4.17)."""
    root = np.sqrt(5.0 * squares)
    fade = np.exp(-root)
    slope = (1.0 + root) * fade
    return slope + (5.0 / 3.0) * squares * fade, (5.0 / 3.0) * slope


def fit(points: Array, values: Array, extra: Array, categorical: Mask) -> Hyper:
    """Maximise likelihood times prior from a few starts with L-BFGS-B (Byrd et al. 1995); the prior's mode if it fails."""
    n, d = points.shape
    gaps = np.abs(points.T[:, :, None] - points.T[:, None, :])
    gaps = np.where(categorical[:, None, None], gaps > 1e-12, gaps**2).reshape(d, n * n)
    mean_ls = math.log(K.ls_mean) + 0.5 * math.log(d)

    def objective(theta: Array) -> tuple[float, Array]:
        scales, signal, noise = theta[:d], math.exp(theta[d]), math.exp(theta[d + 1])
        weights = np.exp(-2 * scales)
        shape, slope = matern((weights @ gaps).reshape(n, n))
        cov = signal * shape
        cov[np.diag_indices(n)] += noise + K.floor + extra
        try:
            lower = cholesky(cov, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros(d + 2)
        alpha = solve_triangular(lower, values, lower=True, check_finite=False)
        alpha_ = solve_triangular(lower, alpha, lower=True, trans=1, check_finite=False)
        inverse = dpotri(lower, lower=1)[0]
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        pull = inverse - np.outer(alpha_, alpha_)
        z_l = (scales - mean_ls) / K.ls_sd
        z_s = theta[d] / K.signal_sd
        z_n = (theta[d + 1] - math.log(K.noise_mean)) / K.noise_sd
        value = 0.5 * alpha @ alpha + np.log(np.diag(lower)).sum() + 0.5 * (z_l @ z_l + z_s**2 + z_n**2)
        grad = np.empty(d + 2)
        grad[:d] = 0.5 * weights * (gaps @ (pull * slope).ravel()) * signal + z_l / K.ls_sd
        grad[d] = 0.5 * signal * np.vdot(pull, shape) + z_s / K.signal_sd
        grad[d + 1] = 0.5 * noise * np.trace(pull) + z_n / K.noise_sd
        return value, grad

    best, theta = math.inf, None
    low = [math.log(0.01)] * d + [math.log(0.01), math.log(1e-8)]
    high = [math.log(100 * math.sqrt(d))] * d + [math.log(100.0), math.log(4.0)]
    for start in range(K.starts):
        first = np.concatenate([np.full(d, mean_ls - start * 1.0), [0.0, math.log(K.noise_mean) + 2 * start]])
        found = minimize(objective, first, jac=True, method="L-BFGS-B", bounds=list(zip(low, high)),
                         options={"maxiter": K.iters, "gtol": 1e-2, "ftol": 1e-5})
        if found.fun < best and np.isfinite(found.x).all():
            best, theta = found.fun, found.x
    if theta is None:
        return prior(d)
    return Hyper(np.exp(-2 * theta[:d]), math.exp(theta[d]), math.exp(theta[d + 1]))


class Posterior:
    """What is believed of the loss, given results and, by their means alone, the points that run now."""

    def __init__(self, hyper: Hyper, categorical: Mask, points: Array, values: Array, extra: Array) -> None:
        self.hyper, self._categorical = hyper, categorical
        self._numeric = ~categorical
        self._weights = hyper.weights[self._numeric]
        self._points = points
        n = len(points)
        cov = hyper.signal * matern(self._squares(points, points))[0]
        cov[np.diag_indices(n)] += hyper.noise + K.floor + extra
        lower = cholesky(cov, lower=True, overwrite_a=True, check_finite=False)
        self._inverse, info = dtrtri(lower, lower=1)
        self._inverse = np.tril(self._inverse)
        if info:
            raise np.linalg.LinAlgError
        self._alpha = self._inverse.T @ (self._inverse @ values)

    def given(self, pending: Array) -> "Posterior":
        """Kriging believer (Ginsbourger et al. 2010): as if each pending point returned its posterior mean."""
        if not len(pending):
            return self
        cross = self.hyper.signal * matern(self._squares(self._points, pending))[0]
        half = self._inverse @ cross
        block = self.hyper.signal * matern(self._squares(pending, pending))[0] - half.T @ half
        block[np.diag_indices(len(pending))] += self.hyper.noise + K.floor + 1e-9
        lower = cholesky(block, lower=True, check_finite=False)
        corner = np.tril(dtrtri(lower, lower=1)[0])
        n, p = len(self._points), len(pending)
        more = object.__new__(Posterior)
        more.__dict__.update(self.__dict__)
        more._points = np.vstack([self._points, pending])
        inverse = np.zeros((n + p, n + p))
        inverse[:n, :n] = self._inverse
        inverse[n:, :n] = -corner @ (half.T @ self._inverse)
        inverse[n:, n:] = corner
        more._inverse = inverse
        more._alpha = np.concatenate([self._alpha, np.zeros(p)])  # the believed values change no mean
        return more

    def mean(self, points: Array) -> Array:
        return self.hyper.signal * matern(self._squares(points, self._points))[0] @ self._alpha

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and standard deviation (s,) of the noiseless loss at `points` (s, d)."""
        cross = self.hyper.signal * matern(self._squares(points, self._points))[0]
        half = cross @ self._inverse.T
        variance = self.hyper.signal - np.einsum("ij,ij->i", half, half)
        return cross @ self._alpha, np.sqrt(np.maximum(variance, 1e-12))

    def gradients(self, points: Array, sides: np.ndarray) -> tuple[Array, Array, Array, Array]:
        """Mean, deviation, and their gradients (s, len(sides)) in the numeric `sides`."""
        shape, slope = matern(self._squares(points, self._points))
        cross, slope = self.hyper.signal * shape, self.hyper.signal * slope
        half = cross @ self._inverse.T
        deviation = np.sqrt(np.maximum(self.hyper.signal - np.einsum("ij,ij->i", half, half), 1e-12))
        pull = slope * self._alpha
        push = slope * (half @ self._inverse)
        weights, x, z = self.hyper.weights[sides], points[:, sides], self._points[:, sides]
        # d cross_ij / d x_ik = -slope_ij w_k (x_ik - z_jk)
        d_mean = -weights * (x * pull.sum(1)[:, None] - pull @ z)
        d_dev = weights * (x * push.sum(1)[:, None] - push @ z) / deviation[:, None]
        return cross @ self._alpha, deviation, d_mean, d_dev

    def _squares(self, a: Array, b: Array) -> Array:
        scale = np.sqrt(self._weights)
        p, q = a[:, self._numeric] * scale, b[:, self._numeric] * scale
        squares = np.einsum("ij,ij->i", p, p)[:, None] + np.einsum("ij,ij->i", q, q) - 2 * (p @ q.T)
        for j in np.flatnonzero(self._categorical):
            squares += self.hyper.weights[j] * (np.abs(a[:, j, None] - b[:, j]) > 1e-12)
        return np.maximum(squares, 0.0, out=squares)
