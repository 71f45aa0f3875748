"""From the results so far to the next points: a pure function, whose costly parts are kept for the next call."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx
from scipy.stats import qmc

from algorithms.search.gp.acquisition import Acquisition, Constraint
from algorithms.search.gp.geometry import Array, Geometry
from algorithms.search.gp.history import History, values
from algorithms.search.gp.hunt import Allowed, Hunt
from algorithms.search.gp.model import Hyper, Posterior, fit, prior
from algorithms.search.gp.tuning import K

DOUBT = 0.1
"""Variance of the noise of partial results, in units of warped losses."""
AUGMENT = 0.05
CENTRES = 5


@dataclass(frozen=True)
class Belief:
    """The model of the results before pending points are believed."""

    posterior: Posterior
    best: float | None
    centres: Array
    constraints: tuple[Constraint, ...]


class Proposer:
    """Suggestion `index` is a function of seed, index, history and pending points; what is kept is a cache."""

    def __init__(self, geometry: Geometry, seed: int, allowed: Allowed | None = None) -> None:
        self._geometry, self._seed, self._allowed = geometry, seed, allowed
        self._width = len(geometry.sides)
        self._fits: dict[tuple[bytes, int], Hyper] = {}
        self._belief: tuple[tuple[bytes, int], Belief] | None = None

    def propose(self, history: History, pending: Array, index: int) -> Array:
        """The point (d,) of suggestion number `index`, from 0, where the points `pending` (p, d) run."""
        rng = np.random.default_rng([self._seed, index])
        history = replace(history, points=self._geometry.snap(history.points))
        if index < K.n0 or np.count_nonzero(history.known) < K.n_min:
            return self._design(history, pending, index, rng)
        try:
            with np.errstate(all="ignore"):
                return self._modelled(history, pending, index, rng)
        except np.linalg.LinAlgError:
            return self._fresh(self._geometry.snap(rng.random((64, self._width))), history, pending)

    def batch(self, history: History, pending: Array, index: int, count: int) -> Array:
        """Suggestions `index` to `index` + `count` - 1, (count, d), each with those before it pending."""
        first = len(pending)
        for offset in range(count):
            pending = np.vstack([pending, self.propose(history, pending, index + offset)])
        return pending[first:]

    def _design(self, history: History, pending: Array, index: int, rng: np.random.Generator) -> Array:
        """The start: Sobol's sequence with Owen's scrambling, a point that is allowed."""
        sobol = qmc.Sobol(self._width, scramble=True, rng=self._seed % 2**32)
        if index:  # scipy cannot skip nothing
            sobol.fast_forward(index)
        points = np.vstack([sobol.random(1), rng.random((256, self._width))])
        return self._fresh(self._geometry.snap(points), history, pending)

    def _fresh(self, points: Array, history: History, pending: Array) -> Array:
        """The first of `points` that is allowed and new, else one that is allowed, else any."""
        if self._allowed is not None and (fine := self._allowed(points)).any():
            points = points[fine]
        seen = {point.tobytes() for point in np.vstack([history.points, pending])}
        return next((point for point in points if point.tobytes() not in seen), points[0])

    def _modelled(self, history: History, pending: Array, index: int, rng: np.random.Generator) -> Array:
        belief = self._believed(history, index)
        posterior = belief.posterior.given(pending)
        acquisition = Acquisition(posterior, belief.best, belief.constraints)
        scales = 1 / np.sqrt(posterior.hyper.weights)
        points, scores = Hunt(
            self._geometry, acquisition, scales, rng, len(posterior.points), len(pending) >= K.alone, self._allowed
        ).run(belief.centres)
        return self._fresh(points[scores > -np.inf] if scores[0] > -np.inf else points, history, pending)

    def _believed(self, history: History, index: int) -> Belief:
        several = history.losses.shape[1] > 1
        key = (history.key(), index if several else 0)
        if self._belief is None or self._belief[0] != key:
            self._belief = key, self._learn(history, index)
        return self._belief[1]

    def _learn(self, history: History, index: int) -> Belief:
        count = milestone(len(history))
        start = history.head(count)
        kept: dict[tuple[bytes, int], Hyper] = {}
        key = start.key()

        def fitted(number: int, column: Array, rows: History) -> Hyper:
            hyper = self._fits.get((key, number))
            if hyper is None:
                hyper = self._fit(rows, column)
            kept[key, number] = hyper
            return hyper

        objectives = history.losses.shape[1]
        hypers = [fitted(m, values(start.losses[:, m]), start) for m in range(objectives)]
        targets = np.column_stack([values(history.losses[:, m]) for m in range(objectives)])
        hyper, y = hypers[0], targets[:, 0]
        if objectives > 1:
            hyper, y = self._scalarised(hypers, targets, index)
        known = history.known
        rows = active(y, K.keep)
        extra = np.where(history.partial, DOUBT, 0.0)
        y = self._imputed(hyper, history, rows, y, extra)
        posterior = Posterior(hyper, self._geometry.categorical, history.points[rows], y[rows], extra[rows])
        constraints = []
        feasible = known.copy()
        for c in range(history.violations.shape[1]):
            column = squashed(history.violations[:, c])
            measured = np.isfinite(column)
            feasible &= np.nan_to_num(column, nan=np.inf) <= 0
            some = rows[measured[rows]]
            if len(some):
                h = fitted(objectives + c, column[:count], start)
                constraints.append(
                    Constraint(
                        Posterior(h, self._geometry.categorical, history.points[some], column[some], extra[some] * 0),
                        0.0,
                    )
                )
        self._fits = kept
        means = np.where(feasible[rows], posterior.mean(history.points[rows]), np.inf)
        order = np.argsort(means, kind="stable")
        best = float(means[order[0]])
        centres = history.points[rows][order[:CENTRES]]
        return Belief(posterior, best if math.isfinite(best) else None, centres, tuple(constraints))

    def _fit(self, history: History, column: Array) -> Hyper:
        rows = np.flatnonzero(np.isfinite(column))
        limit = min(K.fit_max, int(math.sqrt(3e5 / self._width)))
        rows = rows[active(column[rows], limit)]
        if len(rows) < 2:
            return Hyper.of(prior(self._width)[0])
        extra = np.where(history.partial, DOUBT, 0.0)
        return fit(history.points[rows], column[rows], extra[rows], self._geometry.categorical)

    def _imputed(self, hyper: Hyper, history: History, rows: NDArray[np.intp], y: Array, extra: Array) -> Array:
        """Partial results at what the finished ones let expect beyond them (Hutter et al. 2011, censored data)."""
        some, whole = rows[history.partial[rows]], rows[~history.partial[rows]]
        if not len(some) or not len(whole):
            return y
        posterior = Posterior(hyper, self._geometry.categorical, history.points[whole], y[whole], extra[whole])
        mean, deviation = posterior.predict(history.points[some])
        z = (y[some] - mean) / deviation
        y = y.copy()
        y[some] = np.maximum(y[some], mean + deviation * math.sqrt(2 / math.pi) / erfcx(z / math.sqrt(2)))
        return y

    def _scalarised(self, hypers: list[Hyper], targets: Array, index: int) -> tuple[Hyper, Array]:
        """One loss of several by augmented Chebyshev weights, random for each index (ParEGO, Knowles 2006)."""
        weights = np.random.default_rng([self._seed, index, 1]).dirichlet(np.ones(len(hypers)))
        low, high = targets.min(axis=0), targets.max(axis=0)
        scaled = weights * (targets - low) / np.where(high > low, high - low, 1.0)
        y = values(scaled.max(axis=1) + AUGMENT * scaled.sum(axis=1))
        return Hyper.of(np.sum([w * h.theta for w, h in zip(weights, hypers, strict=True)], axis=0)), y


def milestone(count: int) -> int:
    """How many results the hyperparameters are fitted to where there are `count`: all at first, then in steps."""
    step = max(1, count // K.every) if count > K.dense else 1
    return count // step * step


def squashed(violations: Array) -> Array:
    """Violations (n,) in units of their median size, large ones by the logarithm; 0 stays the limit."""
    sizes = np.abs(violations[np.isfinite(violations) & (violations != 0)])
    return np.arcsinh(violations / np.median(sizes)) if len(sizes) else violations


def active(y: Array, limit: int) -> NDArray[np.intp]:
    """The rows that a model is made of: all, or the best half of the limit and the latest."""
    if len(y) <= limit:
        return np.arange(len(y))
    best = np.argsort(y, kind="stable")[: limit // 2]
    rest = np.setdiff1d(np.arange(len(y)), best)[len(best) - limit :]
    return np.sort(np.concatenate([best, rest]))
