"""From the results so far to the next point: a pure function, with what it computes on the way kept for the next call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from algorithms.search.gp.acquisition import Hunt
from algorithms.search.gp.geometry import Array, Geometry, Mask
from algorithms.search.gp.model import Hyper, Posterior, fit, prior
from algorithms.search.gp.tuning import K


@dataclass(frozen=True)
class History:
    """Results in the order in which they came: points (n, d), losses (n,), NaN for a failure; `partial` (n,)."""

    points: Array
    losses: Array
    partial: Mask


def milestone(n: int) -> int:
    """How many results the hyperparameters are fitted to, when there are n."""
    if n <= K.dense:
        return n
    step = max(1, n // K.every // 2 * 2)
    return n // step * step


def warp(losses: Array) -> Array:
    """Losses, better half as is, worse half by rank (Song et al. 2024, half-rank), to mean 0 and deviation 1."""
    top = np.abs(losses).max()
    y = losses / top if top > 0 else losses * 0.0
    if K.warp == "none":
        sd = y.std()
        return (y - y.mean()) / sd if sd > 1e-12 else y * 0
    median = np.median(y)
    good = y <= median
    y = y - median
    spread = np.sqrt(np.mean(y[good] ** 2))
    if not spread > 0:
        spread = np.sqrt(np.mean(y**2))
        if not spread > 0:
            return np.zeros_like(y)
        y = np.clip(y / spread, -3, 3)
    else:
        y = y / spread
        n = len(y)
        rank = np.searchsorted(np.sort(y), y, side="left") + 1
        y = np.where(good, np.maximum(y, -20), ndtri(0.5 + 0.5 * np.clip((rank - 0.5 * n) / (0.5 * n + 1), 0, 0.999)))
    sd = y.std()
    return (y - y.mean()) / sd if sd > 0 else y * 0


class Proposer:
    def __init__(self, geometry: Geometry, seed: int, allowed: Callable[[Array], Mask] | None = None) -> None:
        self.g, self.seed, self.allowed = geometry, seed, allowed
        self._fits: dict[int, Hyper] = {}
        self._posterior: tuple[int, Posterior] | None = None

    def propose(self, history: History, pending: Array, index: int) -> Array:
        rng = np.random.default_rng([self.seed, index])
        n_good = int(np.isfinite(history.losses).sum())
        if index < K.n0 or n_good < 2:
            return self.design(index)
        try:
            return self.model(history, pending, rng)
        except np.linalg.LinAlgError:
            return self.g.snap(rng.random((1, len(self.g.sides))))[0]

    def design(self, index: int) -> Array:
        sobol = qmc.Sobol(len(self.g.sides), scramble=True, rng=self.seed)
        if index:  # scipy cannot skip nothing
            sobol.fast_forward(index)
        return self.g.snap(sobol.random(1))[0]

    def targets(self, history: History) -> tuple[Array, Array]:
        known = np.isfinite(history.losses)
        y = np.empty(len(history.losses))
        w = warp(history.losses[known])
        y[known] = w
        y[~known] = w.max() + 0.25 * (w.max() - w.min())
        extra = np.where(history.partial, 0.1, 0.0)
        return y, extra

    def model(self, history: History, pending: Array, rng: np.random.Generator) -> Array:
        n = len(history.losses)
        y, extra = self.targets(history)
        m = milestone(n)
        hyper = self._fits.get(m)
        if hyper is None:
            head = History(history.points[:m], history.losses[:m], history.partial[:m])
            if np.isfinite(head.losses).sum() < 2:
                hyper = prior(len(self.g.sides))
            else:
                ym, em = self.targets(head)
                rows = active(ym, K.fit_max)
                hyper = fit(head.points[rows], ym[rows], em[rows], self.g.categorical)
            self._fits = {m: hyper}
        rows = active(y, K.keep)
        posterior = Posterior(hyper, self.g.categorical, history.points[rows], y[rows], extra[rows])
        means = posterior.mean(history.points[rows])
        order = np.argsort(means, kind="stable")
        centres = history.points[rows][order[:5]]
        best = float(means[order[0]]) if K.best == "mean" else float(y.min())
        posterior = posterior.given(pending)
        points, scores = Hunt(self.g, posterior, best, rng, self.allowed).run(centres)
        seen = {p.tobytes() for p in np.vstack([history.points, pending])}
        for i in np.argsort(-scores, kind="stable"):
            if points[i].tobytes() not in seen and scores[i] > -np.inf:
                return points[i]
        return points[0]


def active(y: Array, limit: int) -> np.ndarray:
    """The rows a model is made of: all, or the best half and the latest."""
    n = len(y)
    if n <= limit:
        return np.arange(n)
    best = np.argsort(y, kind="stable")[: limit // 2]
    rest = np.setdiff1d(np.arange(n), best)[-(limit - len(best)) :]
    return np.sort(np.concatenate([best, rest]))
